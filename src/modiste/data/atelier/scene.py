"""Customer photographs: an item on a floor, a bed or tiles, turned, cropped and badly lit."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from modiste.data.atelier.palette import mix
from modiste.data.atelier.sketch import HEIGHT, WIDTH

STREAM = 21

_WOODS = ("#b98f62", "#8f6a46", "#caa77c", "#6f5138", "#a58c72")
_SHEETS = ("#dfe3e8", "#e8dfd6", "#c9d3da", "#d8cfdc", "#b9c4b4")
_TILES = ("#c9ccc9", "#b7b0a4", "#d9d4cb", "#8f979c")
_CLUTTER = ("#3e5871", "#b5523b", "#d9b24c", "#5c7f5a", "#efe9df", "#2f2c30", "#a5687f", "#c98d5a")


def _wood(rng: np.random.Generator) -> str:
    base, board = _WOODS[int(rng.integers(len(_WOODS)))], float(rng.uniform(34, 56))
    parts = [f'<rect x="-300" y="-300" width="900" height="1000" fill="{base}"/>']
    for k in range(int(900 / board)):
        x = -300 + k * board
        shade = mix(base, "#2a1a0c", float(rng.uniform(0, 0.22)))
        parts.append(f'<rect x="{x:.1f}" y="-300" width="{board - 1.2:.1f}" height="1000" fill="{shade}"/>')
        joint = float(rng.uniform(-100, 500))
        grain = "".join(
            f"M{x + board * g:.1f} -300Q{x + board * (g + 0.12):.1f} 100 {x + board * g:.1f} 700" for g in (0.3, 0.6)
        )
        parts.append(
            f'<path d="M{x:.1f} {joint:.1f}h{board:.1f}{grain}" stroke="#20120a" stroke-opacity=".25" fill="none"/>'
        )
    return "".join(parts)


def _sheet(rng: np.random.Generator) -> str:
    base = _SHEETS[int(rng.integers(len(_SHEETS)))]
    parts = [f'<rect x="-300" y="-300" width="900" height="1000" fill="{base}"/>']
    for _ in range(9):
        x, y = rng.uniform(-60, 360), rng.uniform(-60, 460)
        dx, dy, w = rng.uniform(-160, 160), rng.uniform(-160, 160), rng.uniform(8, 26)
        colour, alpha = ("#20242c", 0.10) if rng.random() < 0.55 else ("#ffffff", 0.35)
        parts.append(
            f'<path d="M{x:.0f} {y:.0f}Q{x + dx * 0.5 + w:.0f} {y + dy * 0.4:.0f} {x + dx:.0f} {y + dy:.0f}'
            f'Q{x + dx * 0.5 - w:.0f} {y + dy * 0.6:.0f} {x:.0f} {y:.0f}Z" fill="{colour}" fill-opacity="{alpha}"/>'
        )
    return "".join(parts)


def _tiles(rng: np.random.Generator) -> str:
    base, size = _TILES[int(rng.integers(len(_TILES)))], float(rng.uniform(60, 110))
    lines = "".join(
        f"M{-300 + k * size:.1f} -300V700M-300 {-300 + k * size:.1f}H600" for k in range(int(1000 / size) + 1)
    )
    return (
        f'<rect x="-300" y="-300" width="900" height="1000" fill="{base}"/>'
        f'<path d="{lines}" stroke="{mix(base, "#2d2a26", 0.4)}" stroke-width="3.4"/>'
    )


GROUNDS = (_wood, _sheet, _tiles)


def clutter(rng: np.random.Generator) -> str:
    """Things lying about at the edges of the picture."""
    parts = []
    for _ in range(int(rng.integers(1, 5))):
        angle = rng.uniform(0, 2 * np.pi)
        x, y = 150 + 158 * np.cos(angle), 200 + 208 * np.sin(angle)
        colour = _CLUTTER[int(rng.integers(len(_CLUTTER)))]
        w, h, turn = rng.uniform(24, 70), rng.uniform(24, 80), rng.uniform(0, 180)
        kind = int(rng.integers(3))
        if kind == 0:  # a mug from above
            shape = f'<circle r="{w * 0.45:.0f}" fill="{colour}"/><circle r="{w * 0.34:.0f}" fill="#4a2f1f"/>'
        elif kind == 1:  # a book
            shape = (
                f'<rect x="{-w / 2:.0f}" y="{-h / 2:.0f}" width="{w:.0f}" height="{h:.0f}" rx="2" fill="{colour}"/>'
                f'<rect x="{-w / 2:.0f}" y="{-h / 2:.0f}" width="5" height="{h:.0f}" fill="#0004"/>'
            )
        else:  # a crumpled cloth
            shape = (
                f'<path d="M{-w:.0f} 0Q{-w * 0.5:.0f} {-h:.0f} {w * 0.3:.0f} {-h * 0.6:.0f}'
                f'Q{w:.0f} {-h * 0.1:.0f} {w * 0.7:.0f} {h * 0.5:.0f}Q0 {h:.0f} {-w:.0f} 0Z" fill="{colour}"/>'
            )
        parts.append(
            f'<g transform="translate({x + 3:.0f} {y + 5:.0f}) rotate({turn:.0f})" fill-opacity=".25">'
            f'<ellipse rx="{w * 0.6:.0f}" ry="{h * 0.5:.0f}"/></g>'
        )
        parts.append(f'<g transform="translate({x:.0f} {y:.0f}) rotate({turn:.0f})">{shape}</g>')
    return "".join(parts)


def staged(definitions: str, drawing: str, rng: np.random.Generator) -> str:
    """The scene as SVG: a ground, the item turned by up to 25 degrees, scaled and skewed, and clutter around it."""
    ground = GROUNDS[int(rng.integers(len(GROUNDS)))](rng)
    turn, scale = rng.uniform(-25, 25), rng.uniform(0.78, 1.08)
    x, y = rng.uniform(-22, 22), rng.uniform(-24, 24)
    skew = rng.uniform(-6, 6)
    things = clutter(rng)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><defs>{definitions}</defs>'
        f'<g transform="rotate({rng.uniform(-30, 30):.1f} 150 200)">{ground}</g>{things}'
        f'<g transform="translate({150 + x:.1f} {200 + y:.1f}) rotate({turn:.1f}) skewX({skew:.1f}) '
        f'scale({scale:.3f} {scale * rng.uniform(0.92, 1.04):.3f}) translate(0 -200)">{drawing}</g></svg>'
    )


def photograph(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The scene through a phone: perspective, uneven light, colour cast, blur, noise, compression. Shape is kept."""
    height, width = pixels.shape[:2]
    lean = rng.uniform(-0.07, 0.07, size=2) / (width, height)
    a, b = float(lean[0]), float(lean[1])
    cx, cy = width / 2, height / 2
    zoom = 1 - max(abs(a) * width, abs(b) * height)
    # x' = cx + zoom (x - cx) / (1 + a (x - cx) + b (y - cy)), written as the eight coefficients of the plane map
    w0 = 1 - a * cx - b * cy
    coefficients = (zoom + cx * a, cx * b, cx * w0 - zoom * cx, cy * a, zoom + cy * b, cy * w0 - zoom * cy)
    image = Image.fromarray(pixels).transform(
        (width, height),
        Image.Transform.PERSPECTIVE,
        (*(c / w0 for c in coefficients), a / w0, b / w0),
        Image.Resampling.BILINEAR,
    )
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 0.9)) * width / 240))

    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.26)
    ramp_x = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(np.cos(angle) * depth)
    ramp_y = np.linspace(-1, 1, height, dtype=np.float32) * np.float32(np.sin(angle) * depth)
    light = np.float32(rng.uniform(0.84, 1.08)) + ramp_x[None, :] + ramp_y[:, None]
    warmth = rng.uniform(-0.07, 0.07)
    cast = np.array([1 + warmth, 1 + rng.uniform(-0.02, 0.02), 1 - warmth], dtype=np.float32)
    result = np.asarray(image, dtype=np.float32)
    result = result * light[:, :, None] * cast
    grain = rng.standard_normal((height, width), dtype=np.float32) * np.float32(rng.uniform(2, 7))
    result += grain[:, :, None]
    buffer = io.BytesIO()
    Image.fromarray(np.clip(result, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=int(rng.integers(50, 88)))
    with Image.open(buffer) as compressed:
        return np.asarray(compressed.convert("RGB"))
