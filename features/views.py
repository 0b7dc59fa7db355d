"""Augmented views: what a camera could have seen, as an honest rival of synthetic points."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

ROTATION_DEGREES = 15.0
ZOOM = (0.9, 1.1)


class Frame(NamedTuple):
    """What an engine wants to see of an image.

    Attributes
    ----------
    size : int
        Side in pixels.
    view : int
        0: the image itself; else the number of an augmented view.
    mirror : bool
        Whether views may be mirrored.
    """

    size: int
    view: int = 0
    mirror: bool = True

    @property
    def words(self) -> str:
        """How a recipe names the view."""
        return f"{self.view}{'' if self.mirror else ' unmirrored'}" if self.view else ""


def framed(pixels: np.ndarray, frame: Frame, digest: str) -> np.ndarray:
    """Return an image as a frame wants it.

    A view is rotated by up to 15 degrees, zoomed by 0.9 to 1.1 and, where a mirror image keeps its meaning, flipped
    left to right with probability one half; which, is drawn from the image's content and the number of the view.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (size, size, 3)
    frame : Frame
    digest : str
        SHA-256 of the image file.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)

    Examples
    --------
    >>> pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> bool((framed(pixels, Frame(4), "00" * 32) == pixels).all())
    True
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
