"""How a service is run: what `modiste serve` was told, as its workers get it."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from modiste.engine.place import own_folder
from modiste.service.workbench import Setup

PATHS = ("catalogue", "rules", "looks", "media", "keys")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a worker has to know. Paths are absolute, so that a worker may start anywhere.

    `catalogue`: a folder, or an address as a path: `s3:/bucket/shop`.
    """

    catalogue: Path
    scorer: str = "rules"
    data: str = ""
    calibration: str = ""
    rules: Path | None = None
    model: str = ""
    looks: Path | None = None  # JSON lines of looks, for recommend and similar-looks; else looks.jsonl of the catalogue
    media: Path | None = None  # where picture paths of uploaded tables start
    keys: Path | None = None  # API keys; else keys.json of the catalogue
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    allow_host: tuple[str, ...] = ()  # names by which the service may be called, beside host and localhost
    allow_origin: tuple[str, ...] = ()  # pages of other servers that may call it
    batching: bool = True  # False only to measure what batching is worth
    log_level: str = "info"

    @property
    def setup(self) -> Setup:
        return Setup(self.catalogue, self.scorer, self.data, self.calibration, self.rules, model=self.model)

    @property
    def name(self) -> str:
        return self.catalogue.name

    @property
    def folder(self) -> Path:
        """Of this machine, for what is kept beside the catalogue's items."""
        return own_folder(self.catalogue)

    @property
    def key_file(self) -> Path:
        return self.keys or self.folder / "keys.json"

    @property
    def looks_file(self) -> Path:
        return self.looks or self.folder / "looks.jsonl"

    @property
    def threads(self) -> int | None:
        """Threads of a worker's model and vector search: one each where several share the machine; None: as many as fit."""
        return 1 if self.workers > 1 else None

    def to_json(self) -> str:
        return json.dumps({name: str(one) if isinstance(one, Path) else one for name, one in asdict(self).items()})

    @classmethod
    def from_json(cls, text: str) -> Settings:
        values: dict[str, Any] = json.loads(text)
        for field in fields(cls):
            value = values[field.name]
            if field.name in PATHS and value is not None:
                values[field.name] = Path(value)
            elif isinstance(value, list):
                values[field.name] = tuple(value)
        return cls(**values)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
