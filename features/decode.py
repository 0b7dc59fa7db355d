"""One image file to RGB pixels of the sizes that are asked for."""

import hashlib
import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 178_956_970  # of Pillow: what claims more is taken for a decompression bomb
MAX_BYTES = 2**30  # so many pixels of 16-bit RGB, uncompressed; several files are held at a time
DRAFT_SCALES = (8, 4, 2)
DICOM_MARK = b"DICM"


class BadImage(Exception):
    """This file cannot be embedded; the message is the reason."""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings of odd metadata, which never change the pixels, from the user.

    Warning filters belong to the whole process: enter this before the threads that decode are started.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def decode(path: Path, sizes: tuple[int, ...]) -> tuple[str, dict[int, np.ndarray]]:
    """Read, hash and decode one image.

    Large JPEGs are decoded at the smallest of the scales 1, 1/2, 1/4 and 1/8 that leaves twice the target size, so the
    pixels of one size never depend on which other sizes are asked for.

    Parameters
    ----------
    path : Path
    sizes : tuple of int
        Sides of the square results in pixels; the aspect ratio is not kept, as Keras's own loaders do it.

    Returns
    -------
    content_hash : str
        SHA-256 of the file's bytes.
    pixels : dict of int to ndarray of uint8, shape (size, size, 3)

    Raises
    ------
    BadImage
        The file cannot be read or is no image; the message is the reason.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "grey.png")
    ...     Image.new("L", (40, 30), 7).save(path)
    ...     _, pixels = decode(path, (8,))
    >>> pixels[8].shape, int(pixels[8].max())
    ((8, 8, 3), 7)
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # reading a pipe or a device might never end
            got = "not a regular file"
            raise BadImage(got)
        if about.st_size > MAX_BYTES:
            got = f"larger than {MAX_BYTES // 2**20:,} MiB"
            raise BadImage(got)
        data = path.read_bytes()
    except OSError as error:
        raise BadImage(error.strerror or "cannot be read") from error
    if not data:
        got = "the file is empty"
        raise BadImage(got)
    return hashlib.sha256(data).hexdigest(), decode_bytes(data, sizes)


def decode_bytes(data: bytes, sizes: tuple[int, ...]) -> dict[int, np.ndarray]:
    """Decode the bytes of one image file; see `decode`."""
    scales: dict[int, Image.Image] = {}
    try:
        return {size: _pixels(data, size, scales) for size in sizes}
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        got = "not an image in a format that Pillow reads"
        raise BadImage(got) from error
    except Image.DecompressionBombError as error:
        got = f"claims more than {MAX_PIXELS // 1_000_000} megapixels"
        raise BadImage(got) from error
    except Exception as error:  # a mutated file makes Pillow's decoders raise almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        got = f"cannot be decoded: {reason[:160]}"
        raise BadImage(got) from error


def _pixels(data: bytes, size: int, scales: dict[int, Image.Image]) -> np.ndarray:
    """Decode at the scale that ``size`` needs (shared through ``scales``) and resize."""
    opened = _dicom(data) if data[128:132] == DICOM_MARK else Image.open(io.BytesIO(data))
    scale = 1
    if opened.format == "JPEG":
        reach = min(opened.width, opened.height) // (2 * size)
        scale = next((scale for scale in DRAFT_SCALES if scale <= reach), 1)
    if scale not in scales:
        if scale > 1:
            opened.draft(None, (opened.width // scale, opened.height // scale))
        ImageOps.exif_transpose(opened, in_place=True)
        scales[scale] = _plain(opened)
    image = scales[scale]
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)
    pixels = np.asarray(image)
    return np.broadcast_to(pixels[..., None], (size, size, 3)) if pixels.ndim == 2 else pixels


def _dicom(data: bytes) -> Image.Image:
    """Read the first frame of a DICOM file; grey values are stretched from their own range."""
    try:
        import pydicom
    except ImportError as error:
        got = "DICOM needs one more package: pip install 'headroom[dicom]'"
        raise BadImage(got) from error
    file = pydicom.dcmread(io.BytesIO(data))
    pixels = file.pixel_array[0] if int(file.get("NumberOfFrames") or 1) > 1 else file.pixel_array
    if pixels.ndim == 3:
        return Image.fromarray(pixels.astype(np.uint8))
    sign = -1 if file.get("PhotometricInterpretation") == "MONOCHROME1" else 1
    return _stretch(sign * pixels.astype(np.float32))


def _plain(image: Image.Image) -> Image.Image:
    """Turn any of Pillow's modes into 8-bit grey or RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        return _stretch(np.asarray(image, dtype=np.float32))
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, (0, 0, 0, 255)), opaque).convert("RGB")
    plain = "L" if image.mode in ("L", "1") else "RGB"
    return image if image.mode == plain else image.convert(plain)


def _stretch(values: np.ndarray) -> Image.Image:
    """Map 16-bit, 32-bit and float pixels from their own range to 0..255."""
    finite = np.isfinite(values)
    if not finite.any():
        got = "no finite pixel"
        raise BadImage(got)
    low, high = float(values[finite].min()), float(values[finite].max())
    scale = 255 / (high - low) if high > low else 0.0
    scaled = np.where(finite, (values.astype(np.float64) - low) * scale, 0)
    return Image.fromarray(np.round(scaled).astype(np.uint8))
