"""Hostile and broken uploads: refused in kind, within bounds of memory, and leaving nothing behind."""

from __future__ import annotations

import io
import struct
import tempfile
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from modiste.service import limits

MEGABYTE = 1_000_000


def png(width: int, height: int, data: bytes = b"", kind: int = 2, bits: int = 8) -> bytes:
    """A PNG whose header claims a size, around any compressed data."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def written(kind: str, size: tuple[int, int] = (40, 50), **options: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def animation() -> bytes:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (30, 30), (n, 0, 0)) for n in range(200)]
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of side x side white pixels in some kilobytes."""
    return png(side, side, zlib.compress(b"\0" * (side + 1) * side, 9), kind=0)


JPEG, PNG, WEBP = written("JPEG"), written("PNG"), written("WEBP")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><image href="file:///etc/passwd"/></svg>'
REFUSED: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\xff",
    "text": b"hello, this is no picture",
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": SVG,
    "svg behind a mark": b"\xef\xbb\xbf" + SVG,
    "gif": written("GIF"),
    "bmp": written("BMP"),
    "tiff": written("TIFF"),
    "ico": written("ICO"),
    "ppm": written("PPM"),
    "pdf": b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n",
    "zip": b"PK\x03\x04" + bytes(60),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(60),
    "elf": b"\x7fELF" + bytes(60),
    "pickle": b"\x80\x04\x95cos\nsystem\n(S'true'\ntR.",
    "mp4 named heic": b"\0\0\0\x18ftypheic" + bytes(60),
    "jpeg head alone": b"\xff\xd8\xff\xe0",
    "jpeg cut": JPEG[: len(JPEG) // 2],
    "jpeg cut at its end": JPEG[:-40],
    "jpeg that claims nothing": JPEG.replace(
        b"\xff\xc0\x00\x11\x08\x00\x32\x00\x28", b"\xff\xc0\x00\x11\x08\x00\x00\x00\x00"
    ),
    "jpeg of many scans": JPEG[:-2] + b"\xff\xda" * 500 + b"\xff\xd9",
    "png head alone": PNG[:8],
    "png cut": PNG[: len(PNG) // 2],
    "png without an end": PNG[:-12],
    "png with a broken checksum": PNG[:30] + b"\0" + PNG[31:],
    "png of nothing": png(0, 0),
    "png that claims 4 billion": png(65_535, 65_535),
    "png that claims more than there is": png(2**31 - 1, 2**31 - 1),
    "png of garbage": png(10, 10, b"garbage"),
    "png bomb": bomb(9_000),
    "webp head alone": b"RIFF\x10\0\0\0WEBP",
    "webp cut": WEBP[: len(WEBP) // 2],
    "webp bomb": b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\x00\xff\x3f\x00",
    "webp in a riff of sound": b"RIFF\x10\0\0\0WAVE" + bytes(20),
    "noise": np.random.default_rng(1).integers(0, 255, 5_000, dtype=np.uint8).tobytes(),
}
TAKEN: dict[str, bytes] = {
    "jpeg": JPEG,
    "png": PNG,
    "webp": WEBP,
    "progressive jpeg": written("JPEG", (300, 400), progressive=True),
    "animated webp": animation(),
    "palette png": written("PNG"),
    "one pixel": written("PNG", (1, 1)),
    "a line": written("PNG", (4_000, 1)),
    "jpeg with html behind it": JPEG + b"<script>alert(1)</script>",
    "jpeg with a zip behind it": JPEG + b"PK\x03\x04" + bytes(60),
}


def send(client: Any, data: bytes, name: str = "photo.jpg", path: str = "/v1/tag") -> Any:
    return client.post(path, files={"image": (name, data, "image/jpeg")})


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_photo_is_refused(client: Any, kind: str) -> None:
    answer = send(client, REFUSED[kind])
    assert answer.status_code in (413, 415), (kind, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] in ("urn:modiste:problem:bad-photo", "urn:modiste:problem:too-large")


@pytest.mark.parametrize("kind", TAKEN)
def test_what_is_one_is_taken(client: Any, kind: str) -> None:
    assert send(client, TAKEN[kind]).status_code == 200


def test_a_name_is_only_a_name(client: Any) -> None:
    for name in ("../../../etc/passwd", "C:\\x.jpg", "a\x00b.jpg", "x" * 5_000, "<img src=x onerror=alert(1)>.jpg"):
        assert send(client, JPEG, name).status_code in (200, 400)


def test_too_many_bytes_are_refused_before_they_are_read(client: Any) -> None:
    assert send(client, JPEG + bytes(limits.MAX_IMAGE_BYTES)).status_code == 413
    assert send(client, bytes(limits.MAX_UPLOAD_BYTES + 1)).status_code == 413
    head = {"content-type": "application/json", "content-length": str(10**12)}
    assert client.post("/v1/score", content=iter([b"x"]), headers=head).status_code == 413
    endless = (bytes(65_536) for _ in range(limits.MAX_OUTFIT_BYTES // 65_536 + 1))  # likes may be photos in base64
    chunked = client.post("/v1/recommend", content=endless, headers={"content-type": "application/json"})
    assert chunked.status_code == 413


def test_parts_are_counted(client: Any) -> None:
    many = {f"x{n}": (f"{n}.jpg", JPEG) for n in range(3_000)}
    assert client.post("/v1/search", files=many).status_code in (400, 413, 422)
    fields = {f"x{n}": "y" for n in range(3_000)}
    assert client.post("/v1/search", data=fields, files={"image": ("a.jpg", JPEG)}).status_code in (400, 413, 422)
    broken = client.post("/v1/search", content=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=x"})
    assert broken.status_code in (400, 422)
    none = client.post("/v1/search", content=b"--x\r\n", headers={"content-type": "multipart/form-data"})
    assert none.status_code in (400, 422)


class Peak:
    """The most memory that this process holds while the block runs, above what it held before."""

    def __enter__(self) -> Peak:
        self._process = psutil.Process()
        self._before = self._most = self._process.memory_info().rss
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.002):
            self._most = max(self._most, self._process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def bytes(self) -> int:
        return self._most - self._before


def test_bombs_take_little_memory(client: Any) -> None:
    send(client, JPEG)
    largest = int(limits.MAX_OTHER_PIXELS**0.5)
    for data in (bomb(20_000), bomb(9_000), bomb(largest), REFUSED["webp bomb"], png(60_000, 60_000)):
        with Peak() as peak:
            assert send(client, data).status_code in (200, 413, 415)
        assert peak.bytes < 300 * MEGABYTE


def test_a_large_progressive_photo_takes_little_memory(client: Any) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (4_000, 6_000), "red").save(stream, "JPEG", progressive=True)
    with Peak() as peak:
        assert send(client, stream.getvalue()).status_code == 200
    assert peak.bytes < 300 * MEGABYTE
    stream = io.BytesIO()
    Image.new("RGB", (6_000, 6_000), "red").save(stream, "JPEG", progressive=True)
    assert send(client, stream.getvalue()).status_code == 413


def test_a_photo_is_written_nowhere(
    client: Any, photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Not to a temporary file, however large it is, and not to the log; its EXIF block reaches nobody."""
    opened: list[str] = []

    def telling(*_: Any, **__: Any) -> Any:
        opened.append("a temporary file")
        return io.BytesIO()

    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, telling)
    large = photo + bytes(9 * MEGABYTE)
    for path in ("/v1/tag", "/v1/search"):
        answer = send(client, large, "my-face.jpg", path)
        assert answer.status_code == 200
        assert b"SECRET" not in answer.content
    assert not opened
    logged = "".join(capfd.readouterr())
    assert "SECRET" not in logged
    assert "my-face" not in logged
