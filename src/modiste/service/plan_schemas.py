"""A plan as the service tells it: `engine.modification.ModificationPlan.as_dict`, described for OpenAPI."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class KnownOut(BaseModel):
    value: str
    confidence: float
    source: Literal["catalogue", "title", "photo"]


class ChangeOut(BaseModel):
    key: str = Field(description="To `drop` this part of the plan")
    attribute: str
    values: list[str] = Field(description="One of them; empty for a comparison")
    direction: int = Field(description="-1: less than the reference's (shorter, darker), 1: more, 0: a value")
    words: str
    old: KnownOut | None = Field(description="What the reference has; null: not known")
    line: str


class ExcludedOut(BaseModel):
    key: str
    attributes: dict[str, str] = Field(description="All of them at once; empty: words that only the encoder can judge")
    words: str
    line: str


class KeptOut(KnownOut):
    key: str
    attribute: str
    asked: bool = Field(description="The words say themselves that it stays")
    line: str


class PriceOut(BaseModel):
    key: str
    words: str
    at_least: float | None
    at_most: float | None
    below: float | None = Field(description="The reference's, where something cheaper is asked for")
    above: float | None
    line: str


class PartOut(BaseModel):
    text: str
    role: Literal["change", "without", "keep", "price", "free", "filler"]


class PlanOut(BaseModel):
    """What the words were taken for. All parts in a row are the text."""

    text: str
    line: str = Field(examples=["colour: red <- blue; without: stripes; kept: category, collar, length"])
    words: str = Field(description="What the encoder heard")
    reference: str | None = Field(description="The item's id, empty for a photo; null without either")
    changes: list[ChangeOut]
    excluded: list[ExcludedOut]
    kept: list[KeptOut]
    price: PriceOut | None
    free: list[str]
    notes: list[str]
    parts: list[PartOut]
