"""Write a finished run's model folder anew: what follows from the weights and the data (word counts, query bank, label lines)
is made again by today's code, the weights stay.

    python scripts/republish.py runs/dual_encoder_small bank_size=16000
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from modiste.recipes.registry import RECIPES, build_run, config_class
from modiste.training.checkpoint import load_tensors, load_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("fields", nargs="*", metavar="FIELD=VALUE", help="fields of the recipe to change")
    options = parser.parse_args()
    record = json.loads((options.run / "run.json").read_text(encoding="utf-8"))
    fields = record["fields"]
    name, known = fields["name"], {one.name for one in dataclasses.fields(config_class(fields["name"]))}
    defaults = {**{one.name: one.default for one in dataclasses.fields(config_class(name))}, **RECIPES[name].defaults}
    again = {field.partition("=")[0] for field in options.fields}
    changed = [
        f"{key}={','.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in fields["config"].items()
        if key in known - again and (tuple(value) if isinstance(value, list) else value) != defaults[key]
    ]
    run = build_run(name, [*changed, *options.fields])
    model = run.model() if callable(run.model) else run.model
    weights = load_tensors(options.run / "model.safetensors")
    own = model.state_dict()
    counted = {key: value for key, value in own.items() if key.endswith("trust.weights")}
    load_weights(model, weights | counted, options.run / "model.safetensors")
    assert run.publish is not None, f"{name} publishes nothing"
    run.publish(model.eval(), options.run / "model")
    print(f"{options.run / 'model'}: written anew")


if __name__ == "__main__":
    main()
