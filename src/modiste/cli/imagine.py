"""`modiste imagine`: hide parts of a photo and look at what the model paints there."""

from __future__ import annotations

from pathlib import Path

import typer


def imagine(
    image: Path = typer.Argument(..., help="The photo."),
    out: Path = typer.Option(..., "--out", "-o", help="The picture to write, a .png file."),
    model: str = typer.Option("", help="A name of `modiste models` that can imagine, or a folder (a run's too)."),
    text: str = typer.Option("", help="The photo's title, which the model reads along."),
    mask_ratio: float = typer.Option(0.5, help="The share of the photo that is hidden, between 0 and 1."),
    style: str = typer.Option("random_grid", help="What is hidden: random_grid, grid, stroke, center."),
    unit: int = typer.Option(16, min=1, help="Side in pixels of what the two grids hide, in the model's photo."),
    seed: int = typer.Option(0, help="Another seed hides other parts."),
    masks: int = typer.Option(1, "-n", "--masks", min=1, max=16, help="So many different masks, a row each."),
    device: str = typer.Option("cpu", help="Where the model runs: cpu, cuda, mps."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Hide parts of a photo, let the model paint them, and write all of it side by side, enlarged.

    The columns are the photo as the model takes it, what is hidden, what the model paints, and its painting put into the
    hidden places only. PSNR (dB, peak 1) and SSIM compare with the original.

    ```console
    modiste imagine photo.jpg --out imagined.png
    modiste imagine photo.jpg --text "red dress" --mask-ratio 0.7 -n 4 --out imagined.png
    modiste imagine photo.jpg --style stroke --seed 3 --model runs/mvlt_small --out imagined.png --json
    ```
    """
    import dataclasses
    from typing import cast

    from modiste.cli.console import print_json, results, say
    from modiste.cli.photos import read_photo, warn_of_long_text
    from modiste.cli.picture_grid import COLUMNS, Imagined, write_grid
    from modiste.data.masking import MASK_STYLES, MaskStyle

    if out.suffix.lower() != ".png":
        raise ValueError(f"--out {out}: the picture is a PNG; end its name in .png")
    if not 0 < mask_ratio < 1:
        raise ValueError(f"--mask-ratio must lie between 0 and 1, not {mask_ratio}")
    if style not in MASK_STYLES:
        raise ValueError(f"unknown --style {style!r}; choose one of {', '.join(MASK_STYLES)}")
    if style == "grid" and masks > 1:
        raise ValueError("--style grid always hides the same places; leave -n out, or choose another style")
    photo = read_photo(image)

    import numpy as np

    from modiste.data.images import ImageError, decode
    from modiste.evaluation.generation import psnr, ssim
    from modiste.models.mvlt_inference import draft_size
    from modiste.models.pretrained import load_inpainter
    from modiste.types import Item

    inpainter = load_inpainter(model or None, device=device)
    warn_of_long_text(text, inpainter)
    try:
        pixels = decode(photo, draft_to=draft_size(inpainter.model.config))
    except ImageError as error:
        raise ValueError(f"{image}: {error}") from error
    items = [Item(f"mask {number}", text, pixels) for number in range(1, masks + 1)]  # a mask follows seed and id
    original, masked, painted, hidden = inpainter.reconstruct(
        items, mask_ratio, style=cast(MaskStyle, style), unit=unit, seed=seed
    )
    if not hidden.any(axis=(1, 2)).all():
        raise ValueError(f"--mask-ratio {mask_ratio} hides nothing of this photo: raise it, or lower --unit")
    filled = np.where(hidden[..., None], painted, original)
    found = [
        Imagined(
            hidden_share=round(float(hidden[row].mean()), 4),
            psnr=round(float(psnr(original[row], painted[row])), 4),
            masked_psnr=round(float(psnr(original[row], painted[row], hidden[row])), 4),
            ssim=round(float(ssim(original[row], painted[row])), 6),
            filled_psnr=round(float(psnr(original[row], filled[row])), 4),
            filled_ssim=round(float(ssim(original[row], filled[row])), 6),
        )
        for row in range(masks)
    ]
    write_grid(out, np.stack([original, masked, painted, filled], axis=1), found)
    if json:
        print_json(
            {
                "model": inpainter.name,
                "sha256": inpainter.sha256,
                "image": str(image),
                "text": text,
                "size": [original.shape[2], original.shape[1]],
                "mask_ratio": mask_ratio,
                "style": style,
                "unit": unit,
                "seed": seed,
                "columns": list(COLUMNS),
                "out": str(out),
                "masks": [dataclasses.asdict(one) for one in found],
            }
        )
        return
    results.print(_table(found))
    say(f"picture: {out}")


def _table(found):  # type: ignore[no-untyped-def]
    """The numbers as a rich table, a mask a row."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("mask", "hidden", "PSNR", "of the hidden", "SSIM", "PSNR put in", "SSIM put in"):
        table.add_column(column, justify="right")
    for number, one in enumerate(found, 1):
        decibels = [f"{value:.2f} dB" for value in (one.psnr, one.masked_psnr, one.filled_psnr)]
        table.add_row(
            str(number), f"{100 * one.hidden_share:.0f} %", decibels[0], decibels[1], f"{one.ssim:.3f}", decibels[2],
            f"{one.filled_ssim:.3f}",
        )  # fmt: skip
    return table
