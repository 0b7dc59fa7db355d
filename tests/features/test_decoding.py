"""Pixels from every kind of image file, and a reason from every other."""

import hashlib
import io
import os
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from headroom.features.decode import BadImage, decode, decode_bytes, quiet_pillow

SIZE = 12
EXIF_ORIENTATION = 0x0112


def saved(image: Image.Image, form: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def decoded(data: bytes, size: int = SIZE) -> np.ndarray:
    pixels = decode_bytes(data, (size,))[size]
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8
    return pixels


def noise(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def smooth(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    planes = np.stack([255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)], axis=-1)
    return Image.fromarray(planes.astype(np.uint8))


class TestModes:
    @pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "TGA", "JPEG2000"])
    def test_same_size_is_left_alone(self, form):
        image = noise(SIZE, SIZE)
        options = {"irreversible": False} if form == "JPEG2000" else {}
        np.testing.assert_array_equal(decoded(saved(image, form, **options)), np.asarray(image))

    def test_grey_fills_three_channels(self):
        pixels = decoded(saved(Image.new("L", (30, 20), 77)))
        assert (pixels == 77).all()

    def test_one_bit(self):
        image = Image.new("1", (SIZE, SIZE), 0)
        ImageDraw.Draw(image).rectangle((0, 0, 5, SIZE), fill=1)
        pixels = decoded(saved(image))
        assert (pixels[:, :6] == 255).all()
        assert (pixels[:, 6:] == 0).all()

    def test_palette_gives_its_colours(self):
        image = Image.new("P", (20, 20), 1)
        image.putpalette([0, 0, 0, 200, 100, 50])
        assert (decoded(saved(image)) == (200, 100, 50)).all()

    @pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
    def test_transparent_palette_is_black(self, transparency):
        image = Image.new("P", (20, 20), 1)
        image.putpalette([0, 0, 0, 200, 100, 50])
        assert (decoded(saved(image, transparency=transparency)) == 0).all()

    def test_transparent_pixels_are_black_whatever_colour_they_hide(self):
        image = Image.new("RGBA", (SIZE, SIZE), (200, 100, 50, 255))
        image.paste((255, 255, 255, 0), (0, 0, 6, SIZE))
        pixels = decoded(saved(image))
        assert (pixels[:, :6] == 0).all()
        assert (pixels[:, 6:] == (200, 100, 50)).all()

    def test_transparent_colour_of_rgb_and_grey_is_black(self):
        image = Image.new("RGB", (SIZE, SIZE), (9, 8, 7))
        assert (decoded(saved(image, transparency=(9, 8, 7))) == 0).all()
        assert (decoded(saved(Image.new("L", (SIZE, SIZE), 9), transparency=9)) == 0).all()

    def test_grey_with_alpha(self):
        image = Image.new("LA", (SIZE, SIZE), (100, 255))
        assert (decoded(saved(image)) == 100).all()
        assert (decoded(saved(Image.new("LA", (SIZE, SIZE), (100, 0)))) == 0).all()

    def test_cmyk(self):
        pixels = decoded(saved(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "TIFF"))
        assert pixels[0, 0, 0] > 200
        assert pixels[0, 0, 1] < 60

    @pytest.mark.parametrize("mode", ["YCbCr", "LAB", "HSV"])
    def test_other_colour_spaces(self, mode):
        image = noise().convert("RGB")
        data = saved(image.convert(mode), "TIFF") if mode != "HSV" else saved(image)
        assert decoded(data).std() > 10


class TestDeepPixels:
    def test_sixteen_bits_keep_their_contrast(self):
        values = np.linspace(1000, 3000, SIZE * SIZE, dtype=np.uint16).reshape(SIZE, SIZE)
        pixels = decoded(saved(Image.fromarray(values)))
        assert pixels.min() == 0
        assert pixels.max() == 255
        assert (np.diff(pixels[..., 0].ravel().astype(int)) >= 0).all()

    @pytest.mark.parametrize("dtype", [np.float32, np.int32])
    def test_float_and_32_bit_tiff(self, dtype):
        values = np.linspace(-5000, 70000, SIZE * SIZE).astype(dtype).reshape(SIZE, SIZE)
        pixels = decoded(saved(Image.fromarray(values), "TIFF"))
        assert (pixels.min(), pixels.max()) == (0, 255)

    def test_flat_deep_image(self):
        assert (decoded(saved(Image.fromarray(np.full((9, 9), 4000, np.uint16)))) == 0).all()

    def test_holes_in_float_pixels_are_black(self):
        values = np.linspace(1, 2, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)
        values[0, :3] = np.nan, np.inf, -np.inf
        pixels = decoded(saved(Image.fromarray(values), "TIFF"))
        assert (pixels[0, :3] == 0).all()
        assert pixels.max() == 255

    def test_no_finite_pixel(self):
        with pytest.raises(BadImage, match="no finite pixel"):
            decoded(saved(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"))


class TestShapes:
    @pytest.mark.parametrize("size", [(1, 1), (20_000, 1), (1, 20_000), (3, 900)])
    def test_odd_shapes(self, size):
        assert (decoded(saved(Image.new("RGB", size, (10, 20, 30)))) == (10, 20, 30)).all()

    def test_upscaling(self):
        pixels = decoded(saved(smooth(4, 4)), 64)
        assert pixels.std() > 20

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(self, orientation):
        upright = smooth(SIZE, SIZE)
        turns = {
            1: None,
            2: Image.Transpose.FLIP_LEFT_RIGHT,
            3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE,
            6: Image.Transpose.ROTATE_90,
            7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270,
        }
        turn = turns[orientation]
        stored = upright if turn is None else upright.transpose(turn)
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        np.testing.assert_array_equal(decoded(saved(stored, "PNG", exif=exif)), np.asarray(upright))

    @pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_first_frame_of_an_animation(self, form):
        frames = [Image.new("RGB", (20, 20), colour) for colour in ((250, 0, 0), (0, 250, 0))]
        options = {"lossless": True} if form == "WEBP" else {}
        data = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
        np.testing.assert_allclose(decoded(data), np.broadcast_to((250, 0, 0), (SIZE, SIZE, 3)), atol=3)


class TestScaledDecoding:
    def test_large_jpeg_is_near_the_full_decode(self):
        data = saved(smooth(1200, 900), "JPEG", quality=95)
        with Image.open(io.BytesIO(data)) as image:
            full = np.asarray(image.resize((50, 50), Image.Resampling.BILINEAR, reducing_gap=3.0), int)
        assert np.abs(decoded(data, 50).astype(int) - full).max() <= 4

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    def test_pixels_of_one_size_do_not_depend_on_the_others(self, mode):
        data = saved(noise(700, 500).convert(mode), "JPEG")
        sizes = (16, 32, 33, 64, 100, 224, 299, 700)
        together = decode_bytes(data, sizes)
        backwards = decode_bytes(data, sizes[::-1])
        for size in sizes:
            alone = decode_bytes(data, (size,))[size]
            np.testing.assert_array_equal(together[size], alone)
            np.testing.assert_array_equal(backwards[size], alone)

    @given(st.integers(1, 400), st.integers(1, 400), st.integers(16, 80), st.integers(16, 80))
    @settings(max_examples=40, deadline=None)
    def test_sizes_are_independent_for_any_shape(self, width, height, first, second):
        data = saved(noise(width, height), "JPEG")
        np.testing.assert_array_equal(
            decode_bytes(data, (first, second))[second], decode_bytes(data, (second,))[second]
        )

    def test_large_image_lying_on_its_side(self):
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = 6
        turned = saved(smooth(1200, 900).transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
        upright = saved(smooth(1200, 900), "JPEG", quality=95)
        assert np.abs(decoded(turned, 50).astype(int) - decoded(upright, 50)).max() <= 4


class TestBadFiles:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"id,label\n1,2\n", "not an image"),
            (b"\x89PNG\r\n\x1a\n", "cannot be decoded|not an image"),
            (b"\xff\xd8\xff\xe0", "cannot be decoded|not an image"),
            (b"\x00" * 5000, "not an image"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
            (b"%PDF-1.4", "not an image"),
        ],
    )
    def test_other_content(self, data, reason):
        with pytest.raises(BadImage, match=reason):
            decoded(data)

    @pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_truncated(self, form, share):
        data = saved(noise(200, 200), form)
        with pytest.raises(BadImage) as caught:
            decoded(data[: int(len(data) * share)])
        assert len(str(caught.value).splitlines()) == 1

    def test_truncated_large_jpeg_is_noticed_at_a_reduced_scale_too(self):
        data = saved(noise(1200, 900), "JPEG")
        with pytest.raises(BadImage):
            decoded(data[: len(data) // 2], 50)

    def test_empty_file(self, tmp_path):
        (tmp_path / "a.png").touch()
        with pytest.raises(BadImage, match="empty"):
            decode(tmp_path / "a.png", (SIZE,))

    @pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
    def test_what_would_be_read_for_ever(self, tmp_path, make):
        make(tmp_path / "endless.png")
        with pytest.raises(BadImage, match="not a regular file"):
            decode(tmp_path / "endless.png", (SIZE,))

    def test_file_too_large_to_be_held(self, tmp_path):
        with (tmp_path / "slide.tif").open("wb") as file:
            file.truncate(2**30 + 1)
        with pytest.raises(BadImage, match="larger than 1,024 MiB"):
            decode(tmp_path / "slide.tif", (SIZE,))

    def test_missing_file_and_folder(self, tmp_path):
        with pytest.raises(BadImage, match="No such file"):
            decode(tmp_path / "a.png", (SIZE,))
        with pytest.raises(BadImage, match="not a regular file"):
            decode(tmp_path, (SIZE,))

    @pytest.mark.parametrize(("width", "height"), [(20_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
    def test_decompression_bomb_says_how_large_it_claims_to_be(self, width, height):
        data = bytearray(saved(Image.new("1", (8, 8))))
        data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
        with pytest.raises(BadImage, match="megapixels") as caught:
            decoded(bytes(data))
        limit = int(str(caught.value).split("more than ")[1].split()[0])
        assert limit * 1_000_000 <= width * height


class TestHash:
    def test_stands_for_the_bytes(self, tmp_path):
        data = saved(noise())
        (tmp_path / "a.png").write_bytes(data)
        assert decode(tmp_path / "a.png", (SIZE,))[0] == hashlib.sha256(data).hexdigest()


SEEDS = [
    *(saved(noise(33, 21), form) for form in ("PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000")),
    saved(noise(300, 200), "JPEG"),
    saved(noise(300, 200), "JPEG", progressive=True),
    saved(noise(33, 21), "TIFF", compression="tiff_lzw"),
    saved(noise(33, 21).convert("P"), "PNG", transparency=3),
    saved(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20))),
    saved(Image.fromarray(np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)), "TIFF"),
    saved(noise(20, 20), "GIF", save_all=True, append_images=[noise(20, 20, 1)]),
    saved(noise(20, 20), "DDS"),
    saved(noise(32, 32), "ICO"),
    saved(noise(20, 20), "PCX"),
    saved(noise(20, 20), "SGI"),
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Draw an image file that was truncated, bit-flipped or spliced with another."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    kind = draw(st.sampled_from(["truncate", "flip", "splice", "insert", "delete"]))
    place = draw(st.integers(0, len(data) - 1))
    if kind == "truncate":
        return bytes(data[:place])
    if kind == "splice":
        other = draw(st.sampled_from(SEEDS))
        return bytes(data[:place]) + other[draw(st.integers(0, len(other) - 1)) :]
    if kind == "insert":
        return bytes(data[:place]) + draw(st.binary(max_size=40)) + bytes(data[place:])
    if kind == "delete":
        return bytes(data[:place]) + bytes(data[place + draw(st.integers(1, 40)) :])
    for _ in range(draw(st.integers(1, 30))):
        # most of what can go wrong is decided in the first bytes
        index = draw(st.one_of(st.integers(0, min(len(data), 200) - 1), st.integers(0, len(data) - 1)))
        data[index] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


def attempt(data: bytes, sizes: tuple[int, ...]) -> tuple[dict[int, np.ndarray], str]:
    """Return the pixels, or the reason why there are none."""
    try:
        return decode_bytes(data, sizes), ""
    except BadImage as bad:
        return {}, str(bad)


@given(st.one_of(mutations(), st.binary(max_size=300)))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_pixels_or_a_reason_in_one_line(data):
    pixels, reason = attempt(data, (SIZE, 31))
    assert len(reason.splitlines()) == (not pixels)
    for size, image in pixels.items():
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8


def test_threads_leave_the_warning_filters_as_they_were(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(saved(noise(200, 200)))
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: decode(tmp_path / "a.png", (SIZE,)), range(300)))
    assert list(warnings.filters) == before


def test_quiet_pillow_silences_pillow_alone():
    data = saved(Image.new("1", (10_000, 9_000)))
    with quiet_pillow():
        assert decoded(data).max() == 0
        with pytest.raises(UserWarning, match="mine"):
            warnings.warn("mine", UserWarning, stacklevel=1)
