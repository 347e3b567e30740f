"""`modiste export`: an encoder as ONNX or OpenVINO graphs that the other commands use like any model."""

from __future__ import annotations

from pathlib import Path

import typer


def export(
    model: str = typer.Argument(
        ..., help="A name of `modiste models`, a folder (an encoder's or GRNet's), or a hub name."
    ),
    out: Path = typer.Option(..., "--out", "-o", help="The export's folder; replaced if it is there."),
    form: str = typer.Option("onnx", "--format", help="onnx (ONNX Runtime) or openvino."),
    precision: str = typer.Option("fp32", help="fp32, fp16 (stored so, computed in fp32), bf16 (openvino only), int8."),
    opset: int = typer.Option(17, min=16, max=23, help="ONNX operator set."),
    photos: Path = typer.Option(
        None, help="A table of products to check with, and to choose int8's ranges by.  [default: drawn garments]"
    ),
    items: int = typer.Option(200, min=11, help="How many items to check with."),
    json: bool = typer.Option(False, "--json", help="Print what the check found as JSON."),
) -> None:
    """Export a model's image and text towers, check them against the model, and keep them only if they agree.

    fp32 is kept if no number of any vector differs by more than 1e-4 and every query finds the same first ten; int8 and bf16
    must find nearly the same, and are encoders of their own: index with one, search with the same.

    ```console
    modiste export mvlt_small.products_v1 --out mvlt_onnx
    modiste export patrickjohncyh/fashion-clip --out fashion_clip_int8 --precision int8 --photos shop.csv
    modiste index shop.csv --into shop --model mvlt_onnx
    ```
    """
    from modiste.cli.console import print_json, say
    from modiste.data.sources import load_items
    from modiste.models.export import export_encoder
    from modiste.models.grnet_pretrained import is_grnet, load_grnet
    from modiste.models.pretrained import load, stored_config

    encoder = load_grnet(model) if is_grnet(model) else load(model)
    shown = load_items(photos)[: items + 64] if photos is not None else ()
    parity = export_encoder(
        encoder, out, form=form, precision=precision, opset=opset, items=shown, num_items=items
    )  # fmt: skip
    identity = stored_config(out)["encoder"]
    if json:
        print_json({"folder": str(out), "encoder": identity, **parity.as_dict()})
        return
    say(
        f"{out}: {form} {precision}, checked on {parity.num_items} items and {parity.num_queries} queries: the largest "
        f"difference is {parity.largest_difference:.2g}, {100 * parity.overlap:.1f} % of the first ten hits are the same"
    )
    if identity["sha256"] == encoder.id.sha256:
        say("its vectors may live beside the model's own")
    else:
        say(f"its vectors are its own ({identity['name']}): index again with it before you search with it")
    say(f"next: modiste index TABLE --into SHOP --model {out}")
