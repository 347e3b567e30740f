"""modiste.json: what a collection is made with. Small, versioned, replaced atomically, written last when one is created."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from modiste.engine.errors import CatalogueError, rebuild_advice
from modiste.engine.rows import STORE_IMAGES, StoreImages
from modiste.files import require_unchanged, signed, write_atomically
from modiste.types import EncoderId

FILE_NAME = "modiste.json"
FORMAT = 2  # 1: before words, files and this description had checksums; read and written as it is


@dataclass(frozen=True, slots=True)
class Manifest:
    """The encoder whose vectors the collection holds, and what is kept of its pictures."""

    encoder: EncoderId
    store_images: StoreImages
    model: str = ""
    """Where the encoder was loaded from (a folder, a hub name), when its name alone does not say."""

    def write(self, folder: Path) -> None:
        """Replace the file in one step: a reader or a crash meets the old one, the new one, or none."""
        text = json.dumps(signed({"format": FORMAT, **asdict(self)}), indent=2) + "\n"
        write_atomically(folder / FILE_NAME, text.encode("utf-8"))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Raises `CatalogueError` naming the file when it is missing, garbled or of a later version."""
        path = folder / FILE_NAME
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            number = data["format"]
            if 1 <= number <= FORMAT:
                require_unchanged(data)
                encoder = EncoderId(
                    str(data["encoder"]["name"]), str(data["encoder"]["sha256"]), int(data["encoder"]["dim"])
                )
                if encoder.dim < 1 or data["store_images"] not in STORE_IMAGES:
                    raise ValueError("a value is out of range")
                return cls(encoder, data["store_images"], str(data.get("model", "")))
        except FileNotFoundError as error:
            raise CatalogueError(f"{path} is missing. {rebuild_advice(folder)}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CatalogueError(f"{path} is damaged ({error}). {rebuild_advice(folder)}") from error
        raise CatalogueError(
            f"{path} has format {number}, this version of Modiste reads up to {FORMAT}: upgrade Modiste, or rebuild. "
            f"{rebuild_advice(folder)}"
        )
