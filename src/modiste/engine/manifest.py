"""modiste.json: what a collection is made with. Small, versioned, replaced atomically, written last when one is created."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from modiste.engine.errors import CatalogueError, rebuild_advice
from modiste.engine.place import Place
from modiste.engine.rows import STORE_IMAGES, StoreImages
from modiste.files import parse_json, require_unchanged, signed
from modiste.types import EncoderId

FILE_NAME = "modiste.json"
FORMAT = 2  # 1: before words, files and this description had checksums; read and written as it is


@dataclass(frozen=True, slots=True)
class RemoteVectors:
    """The collection on Milvus that finds this catalogue's vectors; milvus.py says how an address is written."""

    address: str
    owner: str
    """What the collection knows its catalogue by."""
    ready: bool = False
    """Whether it holds all that was committed: until a first job has filled it, the embedded index is used."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The encoder whose vectors the collection holds, and what is kept of its pictures."""

    encoder: EncoderId
    store_images: StoreImages
    model: str = ""
    """Where the encoder was loaded from (a folder, a hub name), when its name alone does not say."""
    vectors: RemoteVectors | None = None
    """None: the index is embedded."""

    def write(self, place: Place) -> None:
        """Replace the file in one step: a reader or a crash meets the old one, the new one, or none."""
        values = {"format": FORMAT, **asdict(self)}
        if self.vectors is None:
            del values["vectors"]
        place.write(FILE_NAME, (json.dumps(signed(values), indent=2) + "\n").encode("utf-8"))

    @classmethod
    def read(cls, place: Place) -> Manifest:
        """Raises `CatalogueError` naming the file when it is missing, garbled or of a later version."""
        path = f"{place.name}/{FILE_NAME}"
        try:
            found = place.read(FILE_NAME)
            if found is None:
                raise CatalogueError(f"{path} is missing. {rebuild_advice(place.name)}")
            data = parse_json(found)
            number = data["format"]
            if 1 <= number <= FORMAT:
                require_unchanged(data)
                encoder = EncoderId(
                    str(data["encoder"]["name"]), str(data["encoder"]["sha256"]), int(data["encoder"]["dim"])
                )
                if encoder.dim < 1 or data["store_images"] not in STORE_IMAGES:
                    raise ValueError("a value is out of range")
                return cls(encoder, data["store_images"], str(data.get("model", "")), _vectors(data.get("vectors")))
        except CatalogueError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CatalogueError(f"{path} is damaged ({error}). {rebuild_advice(place.name)}") from error
        raise CatalogueError(
            f"{path} has format {number}, this version of Modiste reads up to {FORMAT}: upgrade Modiste, or rebuild. "
            f"{rebuild_advice(place.name)}"
        )


def _vectors(values: Any) -> RemoteVectors | None:
    if values is None:
        return None
    if values["ready"] not in (True, False):
        raise ValueError("a value is out of range")
    return RemoteVectors(str(values["address"]), str(values["owner"]), values["ready"])
