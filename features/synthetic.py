"""A generated data set for trials without any download: fundus-like discs with graded lesions."""

import csv
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 256
COUNTS = (296, 61, 164, 32, 48)
EYES_PER_PATIENT = 2
# Mean count in each grade, range of radii and colour, after the order in which they appear in diabetic retinopathy.
LESIONS = (
    ((1, 5, 11, 18, 24), (0.7, 1.5), (120, 20, 15)),  # microaneurysms
    ((0, 1, 4, 10, 14), (2.0, 5.0), (95, 10, 10)),  # haemorrhages
    ((0, 0, 4, 6, 12), (1.5, 4.0), (250, 230, 130)),  # exudates
)


def write_fundus(folder: Path, counts: tuple[int, ...] = COUNTS, seed: int = 0) -> None:
    """Write the set ``synthetic-fundus``: ``images/*.jpg`` and ``labels.csv``.

    Discs with an optic disc, vessels, microaneurysms, haemorrhages and exudates that grow with the grade, in the class
    proportions of APTOS 2019. Two images make a patient; they share colour and vessels. The folder is made whole or not
    at all.
    """
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    (beside / "images").mkdir(parents=True)
    rows = []
    for grade, count in enumerate(counts):
        for index in range(count):
            patient = f"P{grade}{index // EYES_PER_PATIENT:03d}"
            look = np.random.default_rng((seed, grade, index // EYES_PER_PATIENT))
            lesions = np.random.default_rng((seed, grade, index, 1))
            name = f"{patient}_{'LR'[index % EYES_PER_PATIENT]}.jpg"
            draw_fundus(grade, look, lesions).save(beside / "images" / name, quality=92)
            rows.append((name, grade, patient))
    with (beside / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "grade", "patient"), *rows])
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def draw_fundus(grade: int, look: np.random.Generator, lesions: np.random.Generator) -> Image.Image:
    """Draw one fundus-like disc, RGB; ``look`` is what a patient's eyes share, ``lesions`` what each has."""
    radius = SIDE * look.uniform(0.44, 0.49)
    centre = SIDE / 2
    ground = np.array([look.uniform(150, 215), look.uniform(60, 105), look.uniform(20, 55)])
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(x - centre, y - centre) / radius
    shade = np.clip(1.08 - 0.45 * distance**2, 0, None)[..., None]
    texture = lesions.normal(0, 5, (SIDE, SIDE, 1))
    pixels = np.clip(ground * shade + texture, 0, 255) * (distance < 1)[..., None]
    image = Image.fromarray(pixels.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    disc = (centre + radius * 0.45 * look.choice((-1, 1)), centre + radius * look.uniform(-0.1, 0.1))
    _vessels(pen, disc, radius, ground, look)
    _blob(pen, disc, radius * 0.13, (245, 215, 140))
    for means, size, colour in LESIONS:
        for _ in range(lesions.poisson(means[grade])):
            angle, reach = lesions.uniform(0, 2 * np.pi), radius * 0.9 * np.sqrt(lesions.uniform())
            place = (centre + reach * np.cos(angle), centre + reach * np.sin(angle))
            _blob(pen, place, lesions.uniform(*size), colour)
    return image.filter(ImageFilter.GaussianBlur(lesions.uniform(0.4, 1.0)))


def _vessels(
    pen: ImageDraw.ImageDraw, disc: tuple[float, float], radius: float, ground: np.ndarray, look: np.random.Generator
) -> None:
    """Draw winding vessels that leave the optic disc."""
    colour = tuple(int(value) for value in ground * (0.62, 0.45, 0.6))
    for start in np.linspace(0, 2 * np.pi, 8, endpoint=False):
        place, angle = np.array(disc), start + look.normal(0, 0.2)
        points = [tuple(place)]
        for _ in range(22):
            angle += look.normal(0, 0.18)
            place = place + radius * 0.07 * np.array([np.cos(angle), np.sin(angle)])
            if np.hypot(*(place - SIDE / 2)) > radius * 0.97:
                break
            points.append(tuple(place))
        pen.line(points, fill=colour, width=int(look.integers(1, 4)), joint="curve")


def _blob(pen: ImageDraw.ImageDraw, place: tuple[float, float], size: float, colour: tuple[int, int, int]) -> None:
    """Draw a filled disc."""
    pen.ellipse((place[0] - size, place[1] - size, place[0] + size, place[1] + size), fill=colour)
