"""What goes in and what comes out, as OpenAPI describes it: every bound is one of `limits`, every body has an example."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from modiste.engine.recommend import BETA
from modiste.service import limits
from modiste.service.plan_schemas import PlanOut

Id = Annotated[str, Field(min_length=1, max_length=limits.MAX_ID, examples=["item-00007"])]
Text = Annotated[str, Field(max_length=limits.MAX_TEXT)]
Filter = Annotated[str, Field(min_length=1, max_length=limits.MAX_FILTER, examples=["price<80"])]
Filters = Annotated[list[Filter], Field(max_length=limits.MAX_FILTERS)]
Drop = Annotated[str, Field(min_length=1, max_length=limits.MAX_FILTER, examples=["change:colour"])]
Alpha = Annotated[
    float, Field(ge=0, le=1, allow_inf_nan=False, description="1: only how well items go together; 0: only words")
]
Deadline = Annotated[
    float,
    Field(
        gt=0, le=limits.MAX_DEADLINE, allow_inf_nan=False, description="Seconds of search; the best found so far counts"
    ),
]
Looks = Annotated[int, Field(ge=1, le=limits.MAX_LOOKS, description="How many looks")]
Scalar = str | int | float | bool


class Body(BaseModel):
    """What is not described is refused: a misspelt field must not be silently ignored."""

    model_config = ConfigDict(extra="forbid")


class ById(Body):
    """An item of the catalogue."""

    id: Id


class OwnPhoto(Body):
    """A person's own photo: in no file and no log. Its kind is recognised where it is not given."""

    image: str = Field(
        min_length=1, max_length=limits.MAX_OUTFIT_BYTES, description="JPEG, PNG or WebP in base64, or a data: address"
    )
    kind: str = Field(
        "", max_length=limits.MAX_ID, description="A category, super-category or slot: shoes", examples=["shoes"]
    )
    title: Text = ""


Reference = Annotated[Id | ById | OwnPhoto, Field(description="An item's id, or a person's own photo")]
Outfit = Annotated[list[Reference], Field(min_length=1, max_length=limits.MAX_ITEMS)]


class Want(Body):
    """A place to fill: a kind (several with /; empty: any) and a wish in words."""

    slot: str = Field("", max_length=limits.MAX_ID, examples=["shoes"])
    wish: Text = ""


class Searching(Body):
    """What narrows the choice of items in an outfit."""

    alpha: Alpha | None = None
    n: Looks = 1
    filters: Filters = []
    deadline: Deadline = limits.DEADLINE


class House(Searching):
    """... and the rules that a request may add to the service's own."""

    budget: float | None = Field(
        None, ge=0, le=1e9, allow_inf_nan=False, description="The whole outfit costs at most this"
    )
    required: list[Id] = Field([], max_length=limits.MAX_ITEMS)
    forbidden: list[Id] = Field([], max_length=limits.MAX_LIKES)
    avoid: list[Id] = Field(
        [],
        max_length=limits.MAX_ITEMS,
        description="Forbidden as long as an outfit is possible without them; a note says if not",
    )


class ScoreBody(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": ["item-00007", "item-00012"], "text": "office"}]}
    )

    items: Outfit
    text: Text = ""


class CompleteBody(House):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"have": ["item-00007"], "want": [{"slot": "shoes", "wish": "white sneakers"}, {"slot": "bag"}], "n": 3}
            ]
        }
    )

    have: list[Reference] = Field([], max_length=limits.MAX_ITEMS)
    want: list[Want] = Field(
        [], max_length=limits.MAX_SLOTS, description="Empty: the shape of the outfit is chosen too"
    )
    text: Text = ""


class GenerateBody(House):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "navy and white office look", "size": 4, "n": 3}]}
    )

    text: Text = ""
    size: int | None = Field(None, ge=1, le=limits.MAX_SLOTS)
    have: list[Reference] = Field([], max_length=limits.MAX_ITEMS)


class SwapBody(Searching):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": ["item-00007", "item-00012"], "which": "item-00012", "wish": "red"}]}
    )

    items: Outfit
    which: Annotated[int, Field(ge=0, lt=limits.MAX_ITEMS)] | Id = Field(description="An id, a kind, or a place from 0")
    wish: Text = ""
    n: Looks = 3


class ExplainBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": ["item-00007", "item-00012"]}]})

    items: Outfit
    text: Text = ""
    swaps: bool = Field(True, description="Also look for the best exchange of one item")


class SimilarLooksBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": ["item-00007", "item-00012"], "k": 5}]})

    items: Outfit
    k: int = Field(5, ge=1, le=limits.MAX_K)


class RecommendBody(Searching):
    """Who she is, by at least one of `user`, `likes`, `looks` and `photos`. What begins at `n` is about looks made anew."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"likes": [["item-00007", "item-00012"], "item-00003"], "k": 5},
                {"user": "anna", "k": 5, "generate": True, "text": "office"},
            ]
        }
    )

    user: str = Field(
        "", max_length=limits.MAX_ID, description="By what she took, and what training knew", examples=["anna"]
    )
    likes: list[Id | Annotated[list[Id], Field(min_length=1, max_length=limits.MAX_ITEMS)]] = Field(
        [], max_length=limits.MAX_LIKES, description="Items, and looks as lists of items, that a person likes"
    )
    looks: list[Id] = Field([], max_length=limits.MAX_LIKES, description="Stored looks that she likes")
    photos: list[Annotated[str, Field(min_length=1, max_length=limits.MAX_OUTFIT_BYTES)]] = Field(
        [],
        max_length=limits.MAX_LIKED_PHOTOS,
        description="Photos of what she likes: JPEG, PNG or WebP in base64, or data: addresses",
    )
    k: int = Field(5, ge=1, le=limits.MAX_K)
    again: bool = Field(False, description="Also what she has already taken")
    generate: bool = Field(False, description="Also make looks anew, her taste in their value")
    n: Looks = 3
    text: Text = ""
    size: int | None = Field(None, ge=1, le=limits.MAX_SLOTS)
    beta: float = Field(
        BETA, ge=0, le=1, allow_inf_nan=False, description="How much her taste counts in a new look; 0: not at all"
    )


class ClickBody(Body):
    """Somebody took a stored look, or an item: one of the two."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user": "anna", "look": "look-17"}]})

    user: Annotated[str, Field(min_length=1, max_length=limits.MAX_ID, examples=["anna"])]
    look: str = Field("", max_length=limits.MAX_ID)
    item: str = Field("", max_length=limits.MAX_ID)


class TagBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "item-00007"}]})

    id: Id


# -- answers -----------------------------------------------------------------------------------------------------------


class ItemOut(BaseModel):
    id: str
    title: str
    category: str
    slot: str
    group: str
    attributes: dict[str, Scalar]
    image: str | None = Field(description="Where its photo is; null if it has none, or is a person's own")
    own: bool = Field(False, description="A person's own photo")


class ItemDetail(ItemOut):
    description: str
    product_siblings: list[ItemOut]


class ItemPage(BaseModel):
    total: int
    items: list[ItemOut]
    next: int | None


class Model(BaseModel):
    name: str
    sha256: str


class HitOut(BaseModel):
    item: ItemOut
    score: float
    match: float | None = Field(description="Log-odds of a match, where the hit got a second look")


class QueryOut(BaseModel):
    text: str
    photo: bool
    like: str | None
    filters: list[str]


class SearchOut(BaseModel):
    query: QueryOut
    plan: PlanOut | None = Field(
        None, description="What the words change, leave out and keep; null where there was nothing for a plan to do"
    )
    warnings: list[str] = Field([], description="Words that the encoder cannot read or never learned, in sentences")
    total: int = Field(description="Items that pass the filters")
    hits: list[HitOut]
    next: int | None = Field(description="The offset of the next page; null on the last")
    seconds: float
    model: Model


class CategoryOut(BaseModel):
    name: str
    count: int
    slot: str


class CountOut(BaseModel):
    name: str
    count: int


class ValueOut(BaseModel):
    value: str
    count: int


class FilterOut(BaseModel):
    name: str
    kind: Literal["text", "number"]
    values: list[ValueOut] | None = Field(None, description="The most frequent values of a text field")
    min: float | None = None
    max: float | None = None


class TemplateOut(BaseModel):
    name: str
    slots: list[str]
    optional: list[str]


class ScorerOut(BaseModel):
    name: str
    kind: Literal["rules", "counted", "trained"]
    label: str = Field(description="How scores came about, in words")


class LimitsOut(BaseModel):
    max_items: int
    max_slots: int
    max_wish: int
    max_looks: int
    max_k: int
    max_image_bytes: int


class CatalogueOut(BaseModel):
    name: str
    items: int
    version: int
    encoder: Model
    languages: list[str] = Field(description="Codes of those that the encoder learned; empty: it does not say")
    scorer: ScorerOut
    calibrated: bool
    reranker: bool
    exact: bool = Field(description="Whether photos are searched for the very item on them")
    taggable: bool
    captionable: bool
    categories: list[CategoryOut]
    slots: list[CountOut]
    filters: list[FilterOut]
    templates: list[TemplateOut]
    limits: LimitsOut
    looks: int
    tastes: str | None = Field(description="The trained tastes that recommend; null without any")
    keys_required: bool


class GuessOut(BaseModel):
    value: str
    probability: float


class TagOut(BaseModel):
    labels: dict[str, list[GuessOut]]
    model: Model
    seconds: float


class ScoreOut(BaseModel):
    score: float
    compatibility: float
    match: float | None
    percentile: float | None
    valid: bool
    problems: list[str]
    items: list[ItemOut]
    notes: list[str]
    scorer: ScorerOut
    seconds: float


class ChosenOut(BaseModel):
    id: str
    slot: str
    wish: str
    match: float | None


class LookOut(BaseModel):
    items: list[ItemOut]
    chosen: list[ChosenOut]
    score: float
    compatibility: float
    percentile: float | None
    exact: bool
    gap: float
    claim: str
    template: str


class LooksOut(BaseModel):
    looks: list[LookOut]
    method: str
    scored: int
    notes: list[str]
    scorer: ScorerOut
    seconds: float


class TermOut(BaseModel):
    id: str
    contribution: float
    compatibility: float
    match: float
    without: float


class PairOut(BaseModel):
    ids: list[str]
    term: float = Field(description="What the two add together; positive: they go well")
    reasons: list[str]


class SwapOut(BaseModel):
    remove: str
    add: ItemOut
    before: float
    after: float
    words: str


class ExplainOut(BaseModel):
    score: float
    base: float
    items: list[TermOut]
    pairs: list[PairOut]
    swap: SwapOut | None
    problems: list[str]
    notes: list[str]
    scorer: ScorerOut
    seconds: float


class SimilarLookOut(BaseModel):
    id: str
    items: list[ItemOut]
    similarity: float


class SimilarLooksOut(BaseModel):
    looks: list[SimilarLookOut]
    method: str
    seconds: float


class ReasonOut(BaseModel):
    liked: str = Field(description="Which of her likes")
    similarity: float
    shared: list[str] = Field(description="Colours and kinds that both have")
    words: str


class RecommendedOut(BaseModel):
    id: str
    items: list[ItemOut]
    similarity: float | None = Field(description="With the nearest of her likes; null where none is known")
    taste: float | None = Field(
        description="The share of stored looks that she likes less; null without a trained taste"
    )
    reasons: list[ReasonOut]


class MadeLookOut(LookOut):
    taste: float | None = Field(description="How much she likes the chosen items, their mean")
    reasons: list[ReasonOut]


class RecommendOut(BaseModel):
    looks: list[RecommendedOut]
    generated: list[MadeLookOut]
    method: str
    trained: bool = Field(description="By a trained taste; else by likeness alone")
    notes: list[str]
    scorer: ScorerOut
    seconds: float


class ClickOut(BaseModel):
    known: int = Field(description="How many things are known of her now")
    seconds: float


class ProblemOut(BaseModel):
    """RFC 9457. `detail` says what to do; `errors` names fields, or rules in conflict."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
    request_id: str


JobId = Annotated[str, Field(min_length=1, max_length=64, examples=["1790000000000-0123456789ab"])]


class JobOptionsOut(BaseModel):
    name: str
    dialect: str
    mapping: dict[str, str]
    prune: bool


class JobProgressOut(BaseModel):
    read: int
    encoded: int
    unchanged: int
    rejected: int
    total: int | None


class JobReportOut(BaseModel):
    rows: int
    warnings: int
    rejected: int
    added: int
    updated: int
    unchanged: int
    deleted: int
    encoded: int
    seconds: float
    described: int | None = Field(
        None, description="Photos described for exact search, where the catalogue keeps features"
    )


class JobOut(BaseModel):
    id: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    created: str | None
    started: str | None
    ended: str | None
    options: JobOptionsOut
    progress: JobProgressOut
    report: JobReportOut | None
    error: str | None


class JobsOut(BaseModel):
    jobs: list[JobOut]


class RejectedRow(BaseModel):
    row: int
    line: int | None = None
    id: str
    field: str
    reason: str


class RejectedOut(BaseModel):
    rows: list[RejectedRow]
    next: int | None
