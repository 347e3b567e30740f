"""The protocols by name, one line each: light, so that the command line can list them without loading anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Protocol:
    """A named way of turning a model into numbers; the module that runs it says everything about it."""

    name: str
    summary: str


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        one.name: one
        for one in (
            Protocol("retrieval-1of101", "words to photo and back among the item and 100 others of the same type"),
            Protocol("retrieval-full", "words to photo and back among everything in the split"),
        )
    }
)


def require_protocol(name: str) -> Protocol:
    """The protocol of that name; raises `ValueError` listing the names when there is none."""
    if name not in PROTOCOLS:
        raise ValueError(f"no protocol {name!r}; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
