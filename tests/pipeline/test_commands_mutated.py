"""A thousand spoilt files through ``extract``: no crash, no hang, each embedded or listed."""

import io
import os
import random

import numpy as np
import pytest
from PIL import Image

from tests.running import finished

COUNT = 1000


def seeds() -> list[bytes]:
    """Return whole files of many kinds."""
    draw = np.random.default_rng(0)
    rgb = Image.fromarray(draw.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    deep = Image.fromarray(draw.integers(0, 65536, (40, 40), dtype=np.uint16))
    kinds = [
        *((rgb, form, {}) for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000")),
        (rgb.resize((1200, 900)), "JPEG", {}),
        (rgb, "JPEG", {"progressive": True}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("P"), "PNG", {"transparency": 1}),
        (rgb.convert("RGBA"), "PNG", {}),
        (rgb.convert("1"), "PNG", {}),
        (deep, "PNG", {}),
        (deep, "TIFF", {"compression": "tiff_lzw"}),
        (Image.fromarray(draw.normal(0, 1, (30, 30)).astype(np.float32)), "TIFF", {}),
        (Image.new("RGB", (1, 1)), "PNG", {}),
        (Image.new("RGB", (20_000, 1)), "PNG", {}),
        (rgb, "GIF", {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}),
        (rgb, "WEBP", {"save_all": True, "append_images": [rgb.rotate(90)]}),
    ]
    files = []
    for image, form, options in kinds:
        out = io.BytesIO()
        image.save(out, form, **options)
        files.append(out.getvalue())
    return files


def mutated(draw: random.Random, files: list[bytes]) -> bytes:
    """Draw a truncated, bit-flipped, spliced, emptied or foreign file, or one that claims to be enormous."""
    data = bytearray(draw.choice(files))
    kind = draw.randrange(7)
    if kind == 0:
        return bytes(data[: draw.randrange(len(data))])
    if kind == 1:
        other = draw.choice(files)
        return bytes(data[: draw.randrange(len(data))]) + other[draw.randrange(len(other)) :]
    if kind == 2:
        return draw.choice([b"", b"id,label\n1,2\n", b"%PDF-1.7", os.urandom(200), b"GIF89a"])
    if kind == 3 and data.startswith(b"\x89PNG"):
        data[16:24] = draw.randrange(2**31).to_bytes(4, "big") * 2
        return bytes(data)
    if kind == 4:
        return bytes(data)
    for _ in range(draw.randrange(1, 40)):
        data[draw.randrange(min(len(data), draw.choice([64, 400, 10**9])))] ^= 1 << draw.randrange(8)
    return bytes(data)


@pytest.mark.slow
def test_a_thousand_mutated_files(launch, tmp_path):
    draw, files = random.Random(0), seeds()
    endings = ["png", "jpg", "tif", "gif", "webp", "bmp"]
    names = []
    for number in range(COUNT):
        name = f"{'ab'[number % 2]}/{number:04d}.{draw.choice(endings)}"
        (tmp_path / "wild" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "wild" / name).write_bytes(mutated(draw, files))
        names.append(name)
    command = ("extract", "--model", "fake", "--weights", "random", "--dataset", "wild", "--json", "--jobs", "2")
    done = finished(launch(*command))
    assert done.code == 1
    assert "--max-bad" in done.error[0]
    (row,) = done.json["runs"]
    bad = {item["path"]: item["reason"] for item in row["bad"]}
    assert row["computed"] + len(bad) == COUNT
    assert 100 < len(bad) < 900
    assert set(bad) < set(names)
    assert all(len(reason.splitlines()) == 1 for reason in bad.values())
    assert not any("unexpected" in reason or "Traceback" in reason for reason in bad.values())
    again = finished(launch(*command, "--max-bad", "1"))
    assert again.code == 0
    assert again.json["runs"][0]["computed"] == 0
    assert {item["path"] for item in again.json["runs"][0]["bad"]} == set(bad)
