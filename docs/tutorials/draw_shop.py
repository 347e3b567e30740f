"""A small shop to try the tutorials on: 50 photos as files, a table of them with a few bad rows, and 60 looks.

python docs/tutorials/draw_shop.py my-shop

Everything is drawn; the columns are called as a shop might call them. The bad rows are what real tables have: a torn photo, a
photo that is not there, a title that is missing, an id that is there twice, and a path that leaves the folder.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from modiste.data.atelier import Atelier
from modiste.data.atelier.looks import Proposer
from modiste.data.outfit_table import write_looks
from modiste.data.outfits import Look

COLUMNS = ("sku", "product_name", "photo", "articleType", "price", "colour", "gender", "material")


def main(folder: Path, *, num_items: int = 50, num_looks: int = 60, seed: int = 5) -> None:
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    atelier = Atelier(seed, image_size=(120, 160))
    items = list(atelier.items(num_items))
    rows = []
    for number, item in enumerate(items, 1):
        photo = folder / "photos" / f"{number:03d}.jpg"
        photo.write_bytes(item.image)
        about = [item.attributes.get(name, "") for name in COLUMNS[4:]]
        rows.append([f"S-{number:03d}", item.title, f"photos/{photo.name}", item.category, *about])

    (folder / "photos" / "torn.jpg").write_bytes(items[0].image[:1000])
    good = rows[0]
    rows[10:10] = [["S-901", "A dress whose photo is torn", "photos/torn.jpg", *good[3:]]]
    rows[20:20] = [["S-902", "A dress whose photo is missing", "photos/none.jpg", *good[3:]]]
    rows[30:30] = [["S-903", "", *good[2:]], ["S-001", "A second S-001", *good[2:]]]
    rows[40:40] = [["S-904", "A photo from elsewhere", "../../secret.jpg", *good[3:]]]
    with (folder / "products.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])

    # looks that the atelier's stylists accepted
    drawn = Proposer(items).of_all_shapes(num_looks, (True,), np.random.default_rng(seed))
    looks = [members for of_shape in drawn for members, _ in of_shape[True]]
    order = np.random.default_rng(seed).permutation(len(looks))
    split = ["train"] * (num_looks - 20) + ["valid"] * 8 + ["test"] * 12
    named = {
        name: [
            Look(f"look-{place:02d}", tuple(f"S-{one + 1:03d}" for one in looks[number]))
            for place, number in enumerate(order)
            if split[place] == name
        ]
        for name in ("train", "valid", "test")
    }
    write_looks(folder / "outfits.jsonl", named)
    (folder / "customer.jpg").write_bytes(atelier.customer_photo(6))
    print(f"{folder}: {len(items)} photos, {len(rows)} rows, {len(looks)} looks")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "my-shop"))
