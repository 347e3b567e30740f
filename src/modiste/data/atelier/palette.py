"""Named colours: what they look like, what else they are called, which go together.

Shades are chosen so that any two names stay apart under the jitter (`jittered`), and so that a catalogue looks calm.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

Rgb = tuple[int, int, int]

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "black": "#232225",
        "white": "#f8f7f3",
        "grey": "#92959b",
        "navy": "#1f2c50",
        "blue": "#2f62b8",
        "light blue": "#a3c6e6",
        "turquoise": "#2ba6a4",
        "green": "#2f7d4c",
        "mint": "#b4dfc6",
        "olive": "#6c6b3a",
        "yellow": "#f3d13f",
        "mustard": "#c8962b",
        "orange": "#e8792e",
        "coral": "#f0806f",
        "red": "#cb2730",
        "burgundy": "#6c1b30",
        "pink": "#efa9bf",
        "purple": "#6f4497",
        "lilac": "#c4afdd",
        "brown": "#6a452e",
        "tan": "#b88454",
        "beige": "#dac7a6",
        "cream": "#f4e9d0",
        "gold": "#d2a545",
        "silver": "#c3c7cd",
        "rose gold": "#dba38f",
    }
)
METALS: tuple[str, ...] = ("gold", "silver", "rose gold")

# How shops and shoppers also write a colour; the first is the name itself.
COLOUR_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "black": ("black", "jet black"),
        "white": ("white", "optic white"),
        "grey": ("grey", "gray"),
        "navy": ("navy", "navy blue", "dark blue"),
        "blue": ("blue", "royal blue"),
        "light blue": ("light blue", "sky blue", "pale blue"),
        "turquoise": ("turquoise", "teal"),
        "green": ("green", "emerald green"),
        "mint": ("mint", "mint green", "pale green"),
        "olive": ("olive", "olive green", "khaki green"),
        "yellow": ("yellow", "lemon yellow"),
        "mustard": ("mustard", "mustard yellow", "ochre"),
        "orange": ("orange", "tangerine"),
        "coral": ("coral", "salmon pink"),
        "red": ("red", "scarlet"),
        "burgundy": ("burgundy", "wine red", "bordeaux", "maroon"),
        "pink": ("pink", "rose pink", "blush pink"),
        "purple": ("purple", "violet"),
        "lilac": ("lilac", "lavender"),
        "brown": ("brown", "chocolate brown", "dark brown"),
        "tan": ("tan", "camel", "cognac"),
        "beige": ("beige", "sand"),
        "cream": ("cream", "ivory", "off-white", "ecru"),
        "gold": ("gold", "golden"),
        "silver": ("silver", "silver-tone"),
        "rose gold": ("rose gold", "rose-gold"),
    }
)


def rgb(hexadecimal: str) -> Rgb:
    """`"#rrggbb"` as three bytes."""
    value = int(hexadecimal[1:], 16)
    return value >> 16, value >> 8 & 255, value & 255


def hexadecimal(colour: tuple[float, float, float]) -> str:
    """Three numbers in 0-255, rounded and clipped, as `"#rrggbb"`."""
    red, green, blue = (min(255, max(0, round(channel))) for channel in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"


def mix(one: str, other: str, share: float) -> str:
    """`share` of `other` in `one`."""
    first, second = rgb(one), rgb(other)
    return hexadecimal(tuple(a + (b - a) * share for a, b in zip(first, second, strict=True)))  # type: ignore[arg-type]


def lightness(colour: str) -> float:
    """Perceived lightness in [0, 1] (CIE L* / 100)."""
    linear = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.16 * luminance ** (1 / 3) - 0.16 if luminance > 0.008856 else 9.033 * luminance


def jittered(name: str, rng: np.random.Generator) -> str:
    """One item's own shade of a named colour: a little lighter, warmer or duller, still that colour."""
    hue, light, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in rgb(COLOURS[name])))
    hue += rng.uniform(-0.010, 0.010)
    light = min(0.985, max(0.05, light + rng.uniform(-0.022, 0.022)))
    saturation = min(1.0, saturation * rng.uniform(0.92, 1.06))
    red, green, blue = colorsys.hls_to_rgb(hue % 1.0, light, saturation)
    return hexadecimal((red * 255, green * 255, blue * 255))


def contrasting(name: str, allowed: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Colours that stay legible as a print on `name`: far enough from it in lightness, or strong on a mid tone."""
    ground = lightness(COLOURS[name])
    return tuple(
        other
        for other in (allowed or tuple(COLOURS))
        if other not in METALS and abs(lightness(COLOURS[other]) - ground) > 0.27
    )
