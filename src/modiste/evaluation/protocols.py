"""The protocols by name, one line each: light, so that the command line can list them without loading anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["retrieval", "recognition", "generation", "composed", "captioning", "outfits", "recommendation"]


@dataclass(frozen=True, slots=True)
class Protocol:
    """A named way of turning a model into numbers; the module that runs it, named by `kind`, says everything about it."""

    name: str
    summary: str
    kind: Kind


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        one.name: one
        for one in (
            Protocol(
                "retrieval-1of101",
                "words to photo and back among the item and 100 others of the same type",
                "retrieval",
            ),
            Protocol(
                "retrieval-random100",
                "the same for 1,000 random queries, five times, texts once per product",
                "retrieval",
            ),
            Protocol("retrieval-full", "words to photo and back among everything in the split", "retrieval"),
            Protocol("recognition", "category, sub-category and other labels of an item", "recognition"),
            Protocol("generation", "the hidden half of a photo, painted in", "generation"),
            Protocol("composed", "a photo and words that change it, to the photo that is meant", "composed"),
            Protocol("captioning", "a photo's title in words, against those that people wrote", "captioning"),
            Protocol("outfits", "looks told from non-looks, a blank filled, the missing item found", "outfits"),
            Protocol("recommendation", "the outfits a person clicked next, among all there are", "recommendation"),
        )
    }
)


def require_protocol(name: str, kind: Kind | None = None) -> Protocol:
    """The protocol of that name; raises `ValueError` listing the names (of that kind) when there is none."""
    names = [one.name for one in PROTOCOLS.values() if kind in (None, one.kind)]
    if name not in names:
        what = f"{kind} protocol" if kind else "protocol"
        raise ValueError(f"no {what} {name!r}; choose one of {', '.join(names)}")
    return PROTOCOLS[name]
