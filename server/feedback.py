"""Feedback as a request brings it: its shape, its check against the served version, and what of it is kept."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator
from pydantic_core import PydanticCustomError

from indexer.catalogue.records import Medium
from indexer.errors import QueryError, UnknownItem, VersionChanged
from indexer.feedback import Judgement, Said
from server.request_schemas import Id, SearchBody
from server.search import METHODS, SEGUE, Search
from server.settings import MAX_LIMIT, MAX_OFFSET

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

#: A query that takes more is not kept; a search by a hundred songs takes some 3 kB.
MOST_QUERY_BYTES: Final = 32 * 1024
#: Which page was looked at and how is no part of the question; method and version have columns of their own.
_NO_QUESTION = ("target", "method", "index_version", "limit", "offset", "explain", "facets")
#: Long texts that are never kept: other people's work, or someone's own.
_LONG_TEXTS = {"items": {"__all__": {"lyrics", "overview"}}}
#: What of a song or film of one's own is no text that somebody typed.
_WORDLESS = frozenset({"kind", "year", "decade", "duration_ms", "features"})

_Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="the client's own; what is sent under the same key again replaces what it said before. "
        "Best random: whoever knows it can change what was said. Kept as a hash only",
    ),
]
_Method = Annotated[str, Field(min_length=1, max_length=40, json_schema_extra={"enum": list(METHODS)})]


class _FeedbackBody(BaseModel):
    model_config = _STRICT

    key: _Key
    query: SearchBody = Field(description="the search as it was sent")
    target: Medium
    index_version: Id = Field(description="the one that answered, as the reply named it")

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if self.query.target != self.target:
            raise PydanticCustomError("other_target", "is not the target of query", {"field": "target"})
        return self


class VerdictBody(_FeedbackBody):
    """Whether a hit fits what was asked."""

    kind: Literal["verdict"]
    verdict: Literal["up", "down", "none"] = Field(description="it fits, it does not; none takes it back")
    id: Id = Field(description="the hit's")
    rank: int = Field(ge=1, le=MAX_OFFSET + MAX_LIMIT, description="the hit's, from 1")


class VoteBody(_FeedbackBody):
    """Which of two lists for the same query is better, told by someone who did not see which is which."""

    kind: Literal["vote"]
    methods: Annotated[list[_Method], Field(min_length=2, max_length=2)] = Field(
        description="segue and the method it stood against"
    )
    winner: str = Field(max_length=40, description="one of methods, or tie")

    @model_validator(mode="after")
    def _check_methods(self) -> Self:
        if self.methods.count(SEGUE) != 1:
            raise PydanticCustomError("no_match", "must be segue and one other", {"field": "methods"})
        if self.winner not in (*self.methods, "tie"):
            raise PydanticCustomError("no_winner", "must be one of methods, or tie", {"field": "winner"})
        return self


_EXAMPLES: dict[str, Any] = {
    "verdict": {
        "value": {
            "kind": "verdict",
            "key": "5f1c2f0e-hit-680",
            "verdict": "up",
            "query": {"target": "movies", "text": "a rainy night in the city"},
            "target": "movies",
            "id": "680",
            "rank": 1,
            "index_version": "20260101T000000Z",
        }
    },
    "vote": {
        "value": {
            "kind": "vote",
            "key": "5f1c2f0e-vote-1",
            "methods": ["segue", "text-cosine"],
            "winner": "segue",
            "query": {"target": "tracks", "movies": ["680"]},
            "target": "tracks",
            "index_version": "20260101T000000Z",
        }
    },
}


class FeedbackBody(RootModel[Annotated[VerdictBody | VoteBody, Field(discriminator="kind")]]):
    """A verdict on a hit, or a vote in a blind comparison."""

    model_config = ConfigDict(openapi_extra={"examples": _EXAMPLES})  # type: ignore[typeddict-unknown-key]


class FeedbackReply(BaseModel):
    """What became of it."""

    kind: Literal["verdict", "vote"]
    kept: bool = Field(description="false where it was taken back")


class VoteTallyReply(BaseModel):
    """How Segue did in blind votes against one method, in all versions together."""

    against: str
    wins: int
    losses: int
    ties: int
    share: float | None = Field(description="of Segue's wins among the decided votes; null without any")
    interval: tuple[float, float] | None = Field(description="its 95 % interval (Wilson)")


class VerdictTallyReply(BaseModel):
    """How many hits were said to fit, and not to."""

    up: int
    down: int


class TallyReply(BaseModel):
    """Feedback so far."""

    votes: list[VoteTallyReply]
    verdicts: VerdictTallyReply


class JudgedVersionGone(VersionChanged):
    """Feedback on results of a version that is not the one that answers."""

    def __init__(self) -> None:
        QueryError.__init__(
            self,
            "these results come from an index version that no longer answers; search again and judge those",
            "index_version",
        )


def judge(body: VerdictBody | VoteBody, search: Search, day: date, keep_text: bool) -> Judgement | None:
    """Make what is kept of feedback, None where it takes back what was said; ``keep_text``: with what was typed.

    Raises ``JudgedVersionGone``, ``UnknownItem`` for an id that the served version does not hold, or ``QueryError``.
    """
    if isinstance(body, VerdictBody) and body.verdict == "none":
        return None  # may always be, whatever is served by now
    if body.index_version != search.name:
        raise JudgedVersionGone
    method = body.query.method if isinstance(body, VerdictBody) else _other(body)
    _check_method(search, method, "query.method" if isinstance(body, VerdictBody) else "methods")
    _check_ids(body, search)
    query = _spell_query(body.query, keep_text)
    if isinstance(body, VoteBody):
        said: Said = "tie" if body.winner == "tie" else "win" if body.winner == SEGUE else "loss"
        return Judgement("vote", day, search.name, body.target, method, said, query)
    verdict: Said = "up" if body.verdict == "up" else "down"
    return Judgement("verdict", day, search.name, body.target, method, verdict, query, body.id, body.rank)


def _other(body: VoteBody) -> str:
    return next(method for method in body.methods if method != SEGUE)


def _check_method(search: Search, method: str, field: str) -> None:
    held = search.manifest["methods"].get(method, {"missing": ""})
    if method != SEGUE and "missing" in held:
        raise QueryError(f"the method {method} is not in this version", field)


def _check_ids(body: VerdictBody | VoteBody, search: Search) -> None:
    query = body.query
    asked: list[tuple[str, Medium, list[str]]] = [
        ("query.tracks", "tracks", query.tracks),
        ("query.movies", "movies", query.movies),
        ("query.avoid.tracks", "tracks", query.avoid.tracks),
        ("query.avoid.movies", "movies", query.avoid.movies),
    ]
    if isinstance(body, VerdictBody):
        asked.append(("id", body.target, [body.id]))
    for field, medium, ids in asked:
        for id in ids:
            try:
                search.item(medium, id)
            except UnknownItem as error:
                raise UnknownItem(str(error), field) from error


def _spell_query(body: SearchBody, keep_text: bool) -> str:
    """Write a question as JSON in ASCII, the same for the same question; words that are left out are null."""
    query = body.model_dump(mode="json", exclude_defaults=True, exclude=_LONG_TEXTS)
    for name in _NO_QUESTION:
        query.pop(name, None)
    if not keep_text:
        for part in (query, query.get("avoid", {})):
            if "text" in part:
                part["text"] = None
        query["items"] = [
            {name: value for name, value in item.items() if name in _WORDLESS}
            for item in query.get("items", [])
        ]
    spelled = json.dumps({name: value for name, value in query.items() if value != []}, sort_keys=True)
    if len(spelled) > MOST_QUERY_BYTES:
        raise QueryError(f"takes more than {MOST_QUERY_BYTES} bytes, which is too long to be kept", "query")
    return spelled
