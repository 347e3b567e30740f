"""A garment cut out of its shop photo, photographed as a customer would: under conditions that are chosen, and measured after.

What is asked for as a level (`conditions.py`) is drawn from the ranges in the tables below. How much of the garment is outside
the picture and how much of the rest is covered is then fitted to the share drawn, whatever the garment's shape, and reported.

Shapes: h, w of the cut-out; H, W of the photo.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from modiste.data.conditions import Conditions
from modiste.types import Item, Scalar

Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]  # (N, 2), x and y

# What a level means. Degrees; the garment's width against what it was; the slant (how much nearer one end is than the middle);
# how far cloth is pulled about, as a share of the garment's size.
_TURN = {"none": (0, 4), "some": (8, 20), "strong": (25, 60)}
_SQUEEZE = {"none": (0.97, 1.0), "some": (0.85, 0.95), "strong": (0.65, 0.82)}
_SLANT = {"none": (0, 0.03), "some": (0.08, 0.16), "strong": (0.2, 0.35)}
_PULL = {"none": (0, 0), "some": (0.008, 0.015), "strong": (0.02, 0.035)}
# Shares of the garment outside the picture; of the garment in the picture that is covered.
LOST = {"none": (0.0, 0.0), "some": (0.15, 0.3), "strong": (0.4, 0.6)}
COVERED = {"none": (0.0, 0.0), "some": (0.1, 0.2), "strong": (0.3, 0.5)}
_ZOOM = {"none": (1.0, 1.0), "some": (1.05, 1.25), "strong": (1.2, 1.6)}
# Light: how far from right, how much darker one side is, how warm or cold, how dark a shadow across.
_DARKER = {"none": (0.97, 1.0), "some": (0.75, 0.9), "strong": (0.45, 0.65)}
_BRIGHTER = {"none": (1.0, 1.03), "some": (1.06, 1.15), "strong": (1.2, 1.4)}
_UNEVEN = {"none": (0, 0.03), "some": (0.06, 0.14), "strong": (0.18, 0.32)}
_WARMTH = {"none": (0, 0.01), "some": (0.03, 0.07), "strong": (0.1, 0.16)}
_SHADOW = {"none": (0, 0), "some": (0, 0), "strong": (0.25, 0.45)}
# The camera: blur as a share of the photo's width, noise in grey levels, the JPEG's quality.
_BLUR = {"none": (0, 0.001), "some": (0.003, 0.005), "strong": (0.008, 0.013)}
_NOISE = {"none": (0, 1.5), "some": (4, 8), "strong": (10, 18)}
_JPEG = {"none": (88, 94), "some": (55, 70), "strong": (18, 35)}

_FILL = (0.76, 0.92)  # of the picture, by a garment that is not cropped
_GRID = (8, 10)  # quadrilaterals across and down: the warp is exact at their corners
_SOFT = 1.2  # pixels over which the edge of what covers fades


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A customer's photo and what became of the garment in it."""

    image: bytes  # JPEG
    lost: float  # share of the garment that is outside the picture
    covered: float  # share of the rest on which something lies

    @property
    def seen(self) -> float:
        """The share of the garment that can be seen."""
        return (1 - self.lost) * (1 - self.covered)

    def query(self, item_id: str, number: int, category: str, product: str) -> Item:
        """Photo `number` of an item as a query of its product, without words; what became of the garment as attributes."""
        attributes: dict[str, Scalar] = {"lost": round(self.lost, 4), "covered": round(self.covered, 4)}
        name = f"{item_id}-customer-{number}"
        return Item(name, image=self.image, category=category, attributes=attributes, group=product)


def snapshot(
    garment: Pixels, ground: Pixels, cover: Pixels, conditions: Conditions, rng: np.random.Generator
) -> Snapshot:
    """A photo of `garment` lying on `ground`, of the ground's size.

    Parameters
    ----------
    garment
        (h, w, 4): colours and alpha, trimmed to the garment.
    ground
        (H, W, 3): what it lies on and among; clutter is the caller's to choose.
    cover
        (H, W, 3): what an occlusion looks like; only a part of it is laid on the garment.

    Raises
    ------
    ValueError
        If the shapes are others, or the garment is nowhere opaque.
    """
    if garment.ndim != 3 or garment.shape[2] != 4 or ground.ndim != 3 or ground.shape[2] != 3:
        raise ValueError(f"a garment is (h, w, 4) and a ground (H, W, 3), not {garment.shape} and {ground.shape}")
    if cover.shape != ground.shape:
        raise ValueError(f"the cover must have the ground's shape {ground.shape}, not {cover.shape}")
    body = _body(garment)
    warp, inside = _placed(garment.shape[:2], body, ground.shape[:2], conditions, rng)
    laid = _warped(garment, ground.shape[:2], warp)  # (H, W, 4), premultiplied, in [0, 1]
    alpha = laid[..., 3:]
    picture = _unit(ground) * (1 - np.float32(0.35) * _shadow_of(alpha, rng))
    picture = laid[..., :3] + (1 - alpha) * picture
    covering, covered = _covering(alpha[..., 0], conditions, rng)
    if covered:
        picture *= 1 - np.float32(0.3) * _shadow_of(covering, rng) * (1 - covering)
        picture = covering * _unit(cover) + (1 - covering) * picture
    lit = _lit(picture, conditions, rng)
    return Snapshot(_developed(lit, conditions, rng), 1 - inside, covered)


def _between(bounds: tuple[float, float], rng: np.random.Generator, *, signed: bool = False) -> float:
    value = float(rng.uniform(*bounds))
    return -value if signed and rng.random() < 0.5 else value


def _body(garment: Pixels) -> Points:
    """Up to 2,000 of the garment's opaque places, evenly spread, from -1 to 1 both ways."""
    rows, columns = np.nonzero(garment[..., 3] > 127)
    if not len(rows):
        raise ValueError("the garment is nowhere opaque: there is nothing to photograph")
    step = max(1, len(rows) // 2000)
    height, width = garment.shape[:2]
    x, y = (columns[::step] + 0.5) / width, (rows[::step] + 0.5) / height
    return np.stack([2 * x - 1, 2 * y - 1], axis=1)


def _placed(
    garment: tuple[int, int], body: Points, frame: tuple[int, int], conditions: Conditions, rng: np.random.Generator
) -> tuple[Callable[[Points], Points], float]:
    """Where each place of the photo comes from on the garment (pixels -> pixels), and how much of the garment is inside."""
    height, width = frame
    # From the garment's square to the picture plane, in units of its half height: squeezed, turned, seen at a slant.
    turn = np.radians(_between(_TURN[conditions.view], rng, signed=True))
    shape = np.diag([garment[1] / garment[0] * _between(_SQUEEZE[conditions.view], rng), 1.0])
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ shape
    towards = rng.uniform(0, 2 * np.pi)
    slant = _between(_SLANT[conditions.view], rng) * np.array([np.cos(towards), np.sin(towards)])
    reach = float(np.abs(linear).sum(axis=1).max())
    slant /= reach  # at the garment's far corners the slant is what the table says
    pull, phases = _between(_PULL[conditions.view], rng), rng.uniform(0, 2 * np.pi, 4)

    def pulled(points: Points) -> Points:
        waves = np.stack([np.sin(2.6 * points[:, ::-1] + phases[:2]), np.sin(4.7 * points[:, ::-1] + phases[2:])])
        return 2 * pull * waves.sum(axis=0)

    def forth(points: Points) -> Points:
        seen = (points - pulled(points)) @ linear.T
        return np.asarray(seen / (1 + seen @ slant)[:, None])

    flat = forth(body)
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = _between(_FILL, rng) * float((np.array([width, height]) / (high - low)).min())
    slack = np.array([width, height]) - scale * (high - low)
    offset = slack * rng.uniform(0.15, 0.85, 2) - scale * low

    zoom = _between(_ZOOM[conditions.cropping], rng)
    middle = np.array([width, height]) / 2
    scale, offset = scale * zoom, middle + zoom * (offset - middle)
    direction = rng.uniform(0, 2 * np.pi)
    away = np.array([np.cos(direction), np.sin(direction)])
    wanted = _between(LOST[conditions.cropping], rng)
    placed = scale * flat + offset
    if wanted:
        offset = offset + away * _shift(placed, away, (width, height), wanted)
        placed = scale * flat + offset
    inside = float(_inside(placed, (width, height)).mean())

    def back(pixels: Points) -> Points:
        seen = (pixels - offset) / scale
        flattened = seen / (1 - seen @ slant)[:, None]
        points = flattened @ np.linalg.inv(linear).T
        points = points + pulled(points)
        return np.asarray((points + 1) / 2 * np.array([garment[1], garment[0]]))

    return back, inside


def _inside(points: Points, size: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray(((points >= 0) & (points <= np.array(size))).all(axis=1))


def _shift(points: Points, away: Points, size: tuple[int, int], wanted: float) -> float:
    """How far along `away` the points must go for the wanted share of them to be outside."""
    low, high = 0.0, float(sum(size))
    if 1 - _inside(points, size).mean() > wanted:  # the zoom alone lost more: go the other way while that helps
        shifts = np.linspace(-0.5, 0.5, 41) * sum(size)
        lost = np.array([1 - _inside(points + shift * away, size).mean() for shift in shifts])
        return float(shifts[np.abs(lost - wanted).argmin()])
    for _ in range(16):
        middle = (low + high) / 2
        if 1 - _inside(points + middle * away, size).mean() < wanted:
            low = middle
        else:
            high = middle
    return high


def _warped(garment: Pixels, frame: tuple[int, int], back: Callable[[Points], Points]) -> NDArray[np.float32]:
    """The garment as it lies in the photo: (H, W, 4) in [0, 1], colours times alpha."""
    height, width = frame
    opaque = garment[..., 3:].astype(np.float32) / 255
    premultiplied = np.concatenate([garment[..., :3] * opaque, garment[..., 3:]], axis=2).round().astype(np.uint8)
    across, down = (
        np.rint(np.linspace(0, side, number + 1)).astype(int)
        for side, number in ((width, _GRID[0]), (height, _GRID[1]))
    )
    corners = np.stack(np.meshgrid(across, down, indexing="ij"), axis=-1)  # (across, down, 2)
    source = back(corners.reshape(-1, 2).astype(np.float64)).reshape(corners.shape)
    mesh = []
    for column in range(len(across) - 1):
        for row in range(len(down) - 1):
            box = (across[column], down[row], across[column + 1], down[row + 1])
            quad = (source[column, row], source[column, row + 1], source[column + 1, row + 1], source[column + 1, row])
            mesh.append((tuple(int(side) for side in box), tuple(float(value) for value in np.concatenate(quad))))
    image = Image.fromarray(premultiplied, "RGBA")
    turned = image.transform((width, height), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    return _unit(turned)


def _unit(image: Image.Image | Pixels) -> NDArray[np.float32]:
    """Grey levels as shares of white."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def _shadow_of(alpha: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The soft shadow, (H, W, 1) in [0, 1], that what has this alpha throws on what it lies on."""
    height, width = alpha.shape[:2]
    soft = Image.fromarray((255 * alpha[..., 0]).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.014 * width))
    right, down = np.rint(rng.uniform(0.006, 0.018, 2) * width).astype(int)
    wide = np.pad(_unit(soft), ((down, 0), (right, 0)), mode="edge")
    return wide[:height, :width, None]


def _covering(
    alpha: NDArray[np.float32], conditions: Conditions, rng: np.random.Generator
) -> tuple[NDArray[np.float32], float]:
    """Where something lies on the garment, (H, W, 1) in [0, 1], and the share of the garment that it hides."""
    wanted = _between(COVERED[conditions.occlusion], rng)
    visible = alpha > 0.5
    if not wanted or not visible.any():
        return np.zeros((*alpha.shape, 1), np.float32), 0.0
    rows, columns = np.nonzero(visible)
    at = int(rng.integers(len(rows)))
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    x, y = x - columns[at], y - rows[at]
    along, over = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kind = int(rng.integers(3))
    if kind == 0:  # an arm, a strap: a band from edge to edge
        far = np.abs(over)
    else:  # something round, something with corners
        power, long = (2.0, rng.uniform(1.0, 1.6)) if kind == 1 else (6.0, rng.uniform(1.0, 1.8))
        far = (np.abs(along / long) ** power + np.abs(over) ** power) ** (1 / power)
    radius = float(np.quantile(far[visible], wanted))  # so much of the garment is nearer
    covering = np.clip((radius - far) / _SOFT + 0.5, 0, 1).astype(np.float32)
    return covering[..., None], float((covering[visible] > 0.5).mean())


def _lit(picture: NDArray[np.float32], conditions: Conditions, rng: np.random.Generator) -> NDArray[np.float32]:
    height, width = picture.shape[:2]
    level = conditions.light
    gain = _between((_DARKER if rng.random() < 0.65 else _BRIGHTER)[level], rng)
    angle, uneven = rng.uniform(0, 2 * np.pi), _between(_UNEVEN[level], rng)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    light = np.float32(gain) * (
        1 + np.float32(uneven) * (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)))
    )
    if shadow := _between(_SHADOW[level], rng):
        edge, lean, wide = rng.uniform(-0.6, 0.6), rng.uniform(0, np.pi), rng.uniform(0.05, 0.2)
        beyond = (x * np.cos(lean) + y * np.sin(lean) - edge) / wide
        light = light * (1 - shadow / (1 + np.exp(-np.clip(beyond, -30, 30)))).astype(np.float32)
    warmth = _between(_WARMTH[level], rng, signed=True)
    cast = np.array([1 + warmth, 1 + rng.uniform(-0.25, 0.25) * warmth, 1 - warmth], dtype=np.float32)
    return np.asarray(picture * light[..., None] * cast, dtype=np.float32)


def _developed(picture: NDArray[np.float32], conditions: Conditions, rng: np.random.Generator) -> bytes:
    """Through the camera: blur, noise, JPEG."""
    level = conditions.quality
    image = Image.fromarray(np.clip(255 * picture + 0.5, 0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(_between(_BLUR[level], rng) * image.width))
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(_between(_NOISE[level], rng))
    noisy = np.clip(np.asarray(image, dtype=np.float32) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=round(_between(_JPEG[level], rng)))
    return buffer.getvalue()
