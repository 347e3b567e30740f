"""The protocols by name, one line each: light, so that the command line can list them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """A named way of turning a model into numbers; the module that runs it says everything about it."""

    name: str
    summary: str


PROTOCOLS: dict[str, Protocol] = {
    one.name: one
    for one in (
        Protocol("retrieval-1of101", "words to photo and back among 1 positive and 100 negatives of the same type"),
        Protocol("retrieval-full", "words to photo and back among everything"),
    )
}
