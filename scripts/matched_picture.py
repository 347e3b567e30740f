"""The picture of docs/grnet.md: customers' photos of drawn items, what GRNet finds, and where it matched.

python scripts/matched_picture.py runs/grnet_small docs/images/matched.png --data atelier:3000:7 --count 6

Photos are those of the test split that the graph found and the embedding alone did not, one of an article, in order of id. Only
generated photos: another source is refused.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from modiste.cli.matched_regions import matched_pair
from modiste.data.consumer_to_shop import shop_photos
from modiste.files import write_atomically
from modiste.models.grnet_pretrained import load_grnet

COLUMNS, GAP = 3, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--data", default="atelier:3000:7")
    parser.add_argument("--count", type=int, default=6)
    options = parser.parse_args()
    if not options.data.startswith("atelier"):
        parser.error("only the atelier's photos may be shown")
    scorer, photos = load_grnet(options.model), shop_photos(options.data, "test")
    features = scorer.features([item.image for item in photos.shop])  # type: ignore[misc]
    vectors = scorer.encoder.encode(photos.shop).vectors
    pairs: list[np.ndarray] = []
    shown: set[str] = set()
    for query in photos.customer:
        assert query.image is not None
        asked, vector = scorer.features([query.image])[0], scorer.encoder.encode_query(image=query.image).vectors[0]
        near = np.argsort(-(vectors @ vector))[:100]
        best = int(near[np.argmax(scorer.compare(asked, features[near]))])
        found, first = photos.shop[best], photos.shop[int(near[0])]
        if found.group != query.group or first.group == query.group or query.category in shown:
            continue
        shown.add(query.category)
        heat, regions = scorer.heat(asked, features[best]), scorer.regions(asked, features[best], count=3)
        assert found.image is not None
        pairs.append(matched_pair(query.image, found.image, scorer.model.config.image_size, heat, regions))
        if len(pairs) == options.count:
            break
    if not pairs:
        parser.error("the graph finds nothing here that the embedding does not")
    height, width = pairs[0].shape[:2]
    rows = -(-len(pairs) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + GAP) + GAP, rows * (height + GAP) + GAP), (250, 248, 245))
    for at, pair in enumerate(pairs):
        row, column = divmod(at, COLUMNS)
        sheet.paste(Image.fromarray(pair), (GAP + column * (width + GAP), GAP + row * (height + GAP)))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    write_atomically(options.picture, buffer.getvalue())


if __name__ == "__main__":
    main()
