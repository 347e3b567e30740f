"""Hostile and odd pictures: each is decoded right or refused with a reason, never anything else."""

from __future__ import annotations

import io
import resource
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from modiste.data.images import (
    FORMATS,
    UPLOAD_FORMATS,
    ImageError,
    crop_to_content,
    decode,
    encode_jpeg,
    fit,
    image_format,
    thumbnail,
)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(width: int = 64, height: int = 48) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 3, y * 4, x + y], axis=2).astype(np.uint8))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_claiming(width: int, height: int) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(b"\0" * 10_000)) + png_chunk(b"IEND", b"")


def webp_claiming(width: int, height: int) -> bytes:
    canvas = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_pixels(kind: str) -> None:
    data = encoded(ramp(), kind)
    assert image_format(data) == kind
    pixels = decode(data)
    assert pixels.shape == (48, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    exact = kind in ("PNG", "BMP", "TIFF")
    assert np.abs(pixels.astype(int) - np.asarray(ramp())).mean() <= (0 if exact else 8)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("eighths", range(8))
def test_a_truncated_file_is_refused(kind: str, eighths: int) -> None:
    data = encoded(ramp(), kind)
    reason = "empty file" if eighths == 0 else f"truncated {kind}"
    with pytest.raises(ImageError, match=reason):
        decode(data[: len(data) * eighths // 8])


@pytest.mark.parametrize(
    "data",
    [
        png_claiming(60_000, 60_000),
        png_claiming(2**31 - 1, 2**31 - 1),
        png_claiming(9_000, 9_000),
        webp_claiming(16_000, 16_000),
        b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x08\0;",
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 200, 0, 54, 40, 100_000, 100_000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(99),
        encoded(ramp(), "JPEG").replace(struct.pack(">HH", 48, 64), struct.pack(">HH", 60_000, 60_000), 1),
        encoded(ramp(), "TIFF").replace(
            struct.pack("<HHIHH", 256, 4, 1, 64, 0), struct.pack("<HHII", 256, 4, 1, 2**30), 1
        ),
    ],
    ids=["png", "png-huge", "png-81-megapixels", "webp", "gif", "bmp", "jpeg", "tiff"],
)
def test_a_decompression_bomb_is_refused_before_it_goes_off(data: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # our own limit speaks first: Pillow has nothing to warn of
        with pytest.raises(ImageError):
            decode(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_limits_are_the_callers_to_set() -> None:
    data = encoded(ramp(), "PNG")
    with pytest.raises(ImageError, match=r"the limit is 10\b"):
        decode(data, max_bytes=10)
    with pytest.raises(ImageError, match="64 x 48 pixels, the limit is 3,071"):
        decode(data, max_pixels=64 * 48 - 1)
    assert decode(data, max_pixels=64 * 48).shape == (48, 64, 3)
    with pytest.raises(ImageError, match="GIF pictures are not accepted"):
        decode(encoded(ramp(), "GIF"), formats=UPLOAD_FORMATS)


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"<html><script>alert(1)</script></html>",
        b"%PDF-1.7\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"SIMPLE  =                    T",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\0\0\0\x1cftypavif",
        b"8BPS\0\1",
        b"\0" * 100,
        b"R",
    ],
)
def test_other_formats_never_reach_a_parser(data: bytes) -> None:
    with pytest.raises(ImageError, match="not a picture in JPEG, PNG"):
        decode(data)


def test_a_polyglot_is_only_its_pixels() -> None:
    """Bytes after the picture, or a comment in it, may be a page; what we make of it carries none of them."""
    page = b"<html><script>alert(1)</script></html>"
    data = encoded(ramp(), "JPEG", comment=page) + page
    assert page not in thumbnail(data)
    gif = b"GIF89a/*" + page  # a GIF header opening a script comment
    with pytest.raises(ImageError):
        decode(gif)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(kind: str, orientation: int) -> None:
    upright = np.full((40, 60, 3), 255, np.uint8)
    upright[:20, :30] = (255, 0, 0)  # red marks the top left corner
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    stored = np.ascontiguousarray(turns[orientation](upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    data = encoded(Image.fromarray(stored), kind, exif=exif, **options)
    assert np.abs(decode(data).astype(int) - upright).mean() < 2
    assert decode(data, draft_to=(6, 4)).shape[0] < decode(data, draft_to=(6, 4)).shape[1]


def test_nothing_of_exif_survives() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    small = thumbnail(encoded(ramp(), "JPEG", exif=exif))
    assert b"SECRETCAMERA" not in small
    assert b"Exif" not in small


def test_broken_exif_does_not_lose_the_picture() -> None:
    data = encoded(ramp(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 20)
    assert decode(data).shape == (48, 64, 3)


def test_transparency_is_laid_on_white() -> None:
    rgba = Image.new("RGBA", (4, 2), (255, 0, 0, 0))
    rgba.putpixel((0, 0), (0, 0, 0, 255))
    rgba.putpixel((1, 0), (0, 0, 0, 128))
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        pixels = decode(encoded(rgba, kind, **options))
        assert pixels[0, 0].tolist() == [0, 0, 0]
        assert pixels[0, 1].tolist() == [127, 127, 127]
        assert pixels[1, 3].tolist() == [255, 255, 255]
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([9, 9, 9, 0, 200, 0])
    palette.putpixel((0, 0), 0)
    assert decode(encoded(palette, "PNG", transparency=0)).tolist() == [[[255, 255, 255], [0, 200, 0]]]
    assert decode(encoded(palette, "GIF", transparency=0))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK", "YCbCr", "LAB"])
def test_other_modes_are_converted(mode: str) -> None:
    image = ramp().convert("L").convert("LA") if mode == "LA" else ramp().convert(mode)
    kind = "PNG" if mode in ("1", "L", "P", "LA") else "TIFF"
    assert decode(encoded(image, kind)).shape == (48, 64, 3)
    if mode == "CMYK":
        assert np.abs(decode(encoded(image, "JPEG", quality=95)).astype(int) - np.asarray(ramp())).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(kind: str) -> None:
    values = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    pixels = decode(encoded(Image.fromarray(values), kind))
    assert np.array_equal(pixels[..., 0], values >> 8)


def test_what_has_no_display_value_is_refused() -> None:
    with pytest.raises(ImageError, match="floating-point"):
        decode(encoded(Image.new("F", (3, 3), 0.5), "TIFF"))
    with pytest.raises(ImageError, match="more than 16 bits"):
        decode(encoded(Image.new("I", (3, 3), 1 << 20), "TIFF"))
    with pytest.raises(ImageError, match="TIFF compressed with group4"):
        decode(encoded(Image.new("1", (30, 30)), "TIFF", compression="group4"))


def test_one_pixel_and_first_frame() -> None:
    assert decode(encoded(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG")).tolist() == [[[1, 2, 3]]]
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert decode(data)[3, 3].tolist() == [255, 0, 0]


def test_zero_size_is_refused() -> None:
    with pytest.raises(ImageError):
        decode(png_claiming(0, 10))
    with pytest.raises(ImageError, match="without pixels"):
        decode(np.zeros((0, 4, 3), np.uint8))


def test_many_scans_are_refused_unread() -> None:
    data = encoded(ramp(), "JPEG", progressive=True)
    assert decode(data).shape == (48, 64, 3)
    start = data.rindex(b"\xff\xda")
    with pytest.raises(ImageError, match="scans"):
        decode(data[:start] + data[start:-2] * 300 + data[-2:])


def test_arrays_are_checked_and_returned_as_they_are() -> None:
    pixels = np.asarray(ramp())
    assert decode(pixels) is pixels
    for wrong in (pixels[..., 0], pixels.astype(np.float32), pixels[..., :2]):
        with pytest.raises(ImageError, match="pixels must be uint8"):
            decode(wrong)
    with pytest.raises(ImageError, match="decompression bomb"):
        decode(pixels, max_pixels=10)
    with pytest.raises(ImageError, match="not str"):
        decode("photo.jpg")  # type: ignore[arg-type]


def test_a_failure_of_memory_is_a_picture_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(self: object) -> None:
        raise MemoryError

    data = encoded(ramp(), "JPEG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", exhausted)
    with pytest.raises(ImageError, match="more memory"):
        decode(data)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(FORMATS), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8)
)
def test_flipped_bytes_never_crash(kind: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(ramp(24, 16), kind))
    for place, value in flips:
        data[place % len(data)] = value
    try:
        pixels = decode(bytes(data), max_pixels=1_000_000)
    except ImageError:
        return
    assert pixels.ndim == 3
    assert pixels.shape[0] * pixels.shape[1] <= 1_000_000


def test_threads_do_not_disturb_each_other_nor_pillow() -> None:
    globals_before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    good, bad = encoded(ramp(), "JPEG"), png_claiming(60_000, 60_000)
    expected, wrong = decode(good), []

    def work() -> None:
        for _ in range(20):
            if not np.array_equal(decode(good), expected):
                wrong.append("pixels")
            try:
                decode(bad)
                wrong.append("bomb")
            except ImageError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert globals_before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


def test_draft_is_smaller_and_close() -> None:
    data = encoded(ramp(80, 60).resize((800, 600), Image.Resampling.BICUBIC), "JPEG", quality=90)
    assert decode(data, draft_to=(100, 100)).shape == (150, 200, 3)
    fast, full = fit(decode(data, draft_to=(100, 75)), (100, 75)), fit(decode(data), (100, 75))
    assert np.abs(fast.astype(int) - full).mean() < 1


@pytest.mark.parametrize("background", [(255, 255, 255), (235, 230, 220)])
def test_crop_finds_the_garment(background: tuple[int, int, int]) -> None:
    pixels = np.full((100, 80, 3), background, np.uint8)
    pixels[20:70, 30:50] = (20, 30, 90)
    noise = np.random.default_rng(0).integers(-4, 5, pixels.shape)
    noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    assert np.array_equal(crop_to_content(noisy, margin=0), noisy[20:70, 30:50])
    assert crop_to_content(noisy, margin=0.1).shape == (60, 30, 3)
    assert crop_to_content(noisy, margin=10).shape == pixels.shape


def test_crop_leaves_what_it_should_not_touch() -> None:
    white = np.full((10, 12, 3), 255, np.uint8)
    assert crop_to_content(white) is white
    photo = np.random.default_rng(0).integers(0, 256, (30, 20, 3)).astype(np.uint8)
    assert crop_to_content(photo) is photo
    dot = np.zeros((1, 1, 3), np.uint8)
    assert crop_to_content(dot) is dot


def test_fit_modes() -> None:
    pixels = np.full((20, 40, 3), 100, np.uint8)
    pixels[:, :10], pixels[:, 30:] = 0, 0  # dark sides
    assert fit(pixels, (10, 30)).shape == (30, 10, 3)
    padded = fit(pixels, (40, 40), mode="pad", fill=7)
    assert np.array_equal(padded[10:30], pixels)
    assert (padded[:10] == 7).all()
    assert (padded[30:] == 7).all()
    assert (fit(pixels, (20, 20), mode="crop") == 100).all()
    assert fit(np.zeros((1, 900, 3), np.uint8), (8, 8), mode="pad").shape == (8, 8, 3)
    assert fit(np.zeros((1, 900, 3), np.uint8), (8, 8), mode="crop", resample="bilinear").shape == (8, 8, 3)


def test_fit_is_antialiased() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(stripes, (8, 8)).astype(int) - 127).max() <= 6


def test_fit_refuses_what_it_does_not_know() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="cannot be resized to 0 x 4"):
        fit(pixels, (0, 4))
    with pytest.raises(ValueError, match="unknown mode 'stretch'"):
        fit(pixels, (4, 4), mode="stretch")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown resample 'nearest'"):
        fit(pixels, (4, 4), resample="nearest")  # type: ignore[arg-type]


def test_jpeg_and_thumbnail() -> None:
    pixels = np.asarray(ramp(300, 200))
    assert encode_jpeg(pixels) == encode_jpeg(pixels)
    assert np.abs(decode(encode_jpeg(pixels, 95)).astype(int) - pixels).mean() < 3
    assert decode(thumbnail(encode_jpeg(pixels), (100, 100))).shape == (67, 100, 3)
    assert decode(thumbnail(pixels[:5, :5])).shape == (5, 5, 3)
