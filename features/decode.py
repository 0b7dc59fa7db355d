"""Image files to RGB pixels of the sizes that are asked for and to augmented views of them, in batches on threads."""

import hashlib
import io
import stat
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 178_956_970  # of Pillow: what claims more is taken for a decompression bomb
MAX_BYTES = 2**30  # so many pixels of 16-bit RGB, uncompressed; several files are held at a time
DRAFT_SCALES = (8, 4, 2)
DICOM_MARK = b"DICM"
ROTATION_DEGREES = 15.0
ZOOM = (0.9, 1.1)
BATCHES_AHEAD = 3


class BadImage(Exception):
    """This file cannot be embedded; the message is the reason."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


class Frame(NamedTuple):
    """What an engine wants to see of an image: its side in pixels, and 0 or the number of an augmented view."""

    size: int
    view: int = 0
    mirror: bool = True

    @property
    def words(self) -> str:
        """How a recipe names the view."""
        return f"{self.view}{'' if self.mirror else ' unmirrored'}" if self.view else ""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings of odd metadata, which never change the pixels, from the user.

    Warning filters belong to the whole process: enter this before the threads that decode are started.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def decode(path: Path, sizes: tuple[int, ...]) -> tuple[str, dict[int, np.ndarray]]:
    """Read one image file; return its SHA-256, and uint8 ``(size, size, 3)`` by size.

    Large JPEGs are decoded at the smallest of the scales 1, 1/2, 1/4 and 1/8 that leaves twice the target size, so the
    pixels of one size never depend on which other sizes are asked for. The aspect ratio is not kept, as Keras's own
    loaders do it.

    Raises
    ------
    BadImage
        The file cannot be read or is no image.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # reading a pipe or a device might never end
            raise BadImage(reason="not a regular file")
        if about.st_size > MAX_BYTES:
            raise BadImage(reason=f"larger than {MAX_BYTES // 2**20:,} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise BadImage(reason=error.strerror or "cannot be read") from error
    if not data:
        raise BadImage(reason="the file is empty")
    return hashlib.sha256(data).hexdigest(), decode_bytes(data, sizes)


def decode_bytes(data: bytes, sizes: tuple[int, ...]) -> dict[int, np.ndarray]:
    """Decode the bytes of one image file; see `decode`."""
    scales: dict[int, Image.Image] = {}
    try:
        return {size: _pixels(data, size, scales) for size in sizes}
    except BadImage:
        raise
    except UnidentifiedImageError as error:
        raise BadImage(reason="not an image in a format that Pillow reads") from error
    except Image.DecompressionBombError as error:
        raise BadImage(reason=f"claims more than {MAX_PIXELS // 1_000_000} megapixels") from error
    except Exception as error:  # a mutated file makes Pillow's decoders raise almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadImage(reason=f"cannot be decoded: {reason[:160]}") from error


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
        raise BadImage(reason="DICOM needs one more package: pip install 'headroom[dicom]'") from error
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
        raise BadImage(reason="no finite pixel")
    low, high = float(values[finite].min()), float(values[finite].max())
    scale = 255 / (high - low) if high > low else 0.0
    scaled = np.where(finite, (values.astype(np.float64) - low) * scale, 0)
    return Image.fromarray(np.round(scaled).astype(np.uint8))


def framed(pixels: np.ndarray, frame: Frame, digest: str) -> np.ndarray:
    """Return uint8 pixels ``(size, size, 3)`` of the image file with this SHA-256 as a frame wants them.

    A view is rotated by up to 15 degrees, zoomed by 0.9 to 1.1 and, where a mirror image keeps its meaning, flipped
    left to right with probability one half; which, is drawn from the image's content and the number of the view.
    """
    if not frame.view:
        return pixels
    draw = np.random.default_rng([int(digest[:16], 16), frame.view])
    angle, zoom, flip = draw.uniform(-ROTATION_DEGREES, ROTATION_DEGREES), draw.uniform(*ZOOM), draw.random() < 0.5
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if flip and frame.mirror:
        image = ImageOps.mirror(image)
    turn = np.deg2rad(angle)
    cosine, sine, centre = np.cos(turn) / zoom, np.sin(turn) / zoom, (frame.size - 1) / 2
    shift = (centre - cosine * centre - sine * centre, centre + sine * centre - cosine * centre)
    matrix = (cosine, sine, shift[0], -sine, cosine, shift[1])
    return np.asarray(image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))


Pixels = dict[Frame, np.ndarray]


@dataclass(frozen=True, eq=False)
class Batch:
    """One decoded batch of fixed shape; of a file that could not be decoded, pixels are black and the hash is empty."""

    pixels: Pixels  # uint8 (batch, size, size, 3) a frame; rows behind the last image hold anything
    hashes: list[str]
    reasons: list[str]  # empty where a file could be decoded


class Stream:
    """Images decoded in order, in batches of one fixed shape that never cross from one block to the next.

    Every image is decoded once for all frames. Decoding begins at once, and goes on until a bounded number of batches
    is ready. A context manager: leaving it ends the threads. The last batch of a block may be padded; its lists are as
    long as the images left.
    """

    def __init__(self, blocks: Iterable[Sequence[Path]], frames: Sequence[Frame], batch: int, threads: int) -> None:
        self._groups = (block[start : start + batch] for block in blocks for start in range(0, len(block), batch))
        self._shapes = {frame: (batch, frame.size, frame.size, 3) for frame in frames}
        self._ahead: deque[tuple[Pixels, list[Future[tuple[str, str]]]]] = deque()
        self._used: list[Pixels] = []
        self._workers = ThreadPoolExecutor(threads, "decode")
        for _ in range(BATCHES_AHEAD):
            self._begin()

    def __iter__(self) -> Iterator[Batch]:
        """Give the batches once."""
        while self._ahead:
            pixels, tasks = self._ahead.popleft()
            results = [task.result() for task in tasks]
            self._begin()
            yield Batch(pixels, [digest for digest, _ in results], [reason for _, reason in results])

    def reuse(self, batch: Batch) -> None:
        """Fill the pixels of a batch again that is done with, so that memory stays the same however many follow."""
        self._used.append(batch.pixels)

    def _begin(self) -> None:
        """Begin the next batch, if there is one."""
        paths = next(self._groups, None)
        if paths is None:
            return
        blank = (np.zeros(shape, np.uint8) for shape in self._shapes.values())
        pixels = self._used.pop() if self._used else dict(zip(self._shapes, blank, strict=True))
        tasks = [self._workers.submit(_decode_into, path, row, pixels) for row, path in enumerate(paths)]
        self._ahead.append((pixels, tasks))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.shutdown(cancel_futures=True)


def _decode_into(path: Path, row: int, pixels: Pixels) -> tuple[str, str]:
    """Decode one image into its row of every frame; return its hash and why it failed."""
    try:
        digest, images = decode(path, tuple({frame.size for frame in pixels}))
    except BadImage as bad:
        for rows in pixels.values():
            rows[row] = 0
        return "", str(bad)
    for frame, rows in pixels.items():
        rows[row] = framed(images[frame.size], frame, digest)
    return digest, ""
