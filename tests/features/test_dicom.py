"""DICOM files, read where pydicom is installed."""

import io
import sys

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from headroom.features.decode import BadImage, decode_bytes

RAMP = np.linspace(100, 3000, 64).reshape(8, 8).astype(np.uint16)


def dicom(pixels: np.ndarray, photometric: str = "MONOCHROME2", frames: int = 1) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    colour = photometric == "RGB"
    file.Rows, file.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    file.SamplesPerPixel, file.PhotometricInterpretation = 3 if colour else 1, photometric
    if colour:
        file.PlanarConfiguration = 0
    if frames > 1:
        file.NumberOfFrames = frames
    file.BitsAllocated = file.BitsStored = pixels.dtype.itemsize * 8
    file.HighBit, file.PixelRepresentation = file.BitsStored - 1, 0
    file.PixelData = pixels.tobytes()
    out = io.BytesIO()
    pydicom.dcmwrite(out, file, enforce_file_format=True)
    return out.getvalue()


def test_grey_values_are_stretched_from_their_own_range():
    pixels = decode_bytes(dicom(RAMP), (8,))[8]
    assert pixels.min() == 0
    assert pixels.max() == 255
    assert (np.diff(pixels[..., 0].ravel().astype(int)) >= 0).all()


def test_inverted_grey_is_turned():
    upright, inverted = (decode_bytes(dicom(RAMP, kind), (8,))[8] for kind in ("MONOCHROME2", "MONOCHROME1"))
    np.testing.assert_allclose(inverted.astype(int), 255 - upright.astype(int), atol=1)


def test_first_of_many_frames_is_taken():
    frames = np.stack([RAMP, RAMP[::-1]])
    np.testing.assert_array_equal(decode_bytes(dicom(frames, frames=2), (8,))[8], decode_bytes(dicom(RAMP), (8,))[8])


def test_colour_is_kept():
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[..., 1] = 200
    np.testing.assert_array_equal(decode_bytes(dicom(colour, "RGB"), (8,))[8], colour)


def test_without_pydicom_the_reason_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(BadImage, match=r"headroom\[dicom\]"):
        decode_bytes(dicom(RAMP), (8,))


@pytest.mark.parametrize("keep", [132, 200, 400])
def test_cut_files_are_bad_images(keep):
    with pytest.raises(BadImage):
        decode_bytes(dicom(RAMP)[:keep], (8,))
