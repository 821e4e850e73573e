"""What replies look like, as /openapi.json describes them."""

from __future__ import annotations

from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, Field, create_model

from indexer.catalogue.records import Movie, Track


class ReasonReply(BaseModel):
    """One term of the raw score; the values of all terms add up to it."""

    term: str
    value: float
    text: str


class Ranked(BaseModel):
    """The place of a result in its list."""

    rank: int = Field(description="from 1")
    score: float = Field(description="higher is better; for matches from 0 to 1")


class Matched(Ranked):
    """The place of a match and why it has it."""

    raw_score: float
    soundtrack: bool = Field(description="it is a known soundtrack pair with one of the inputs")
    based_on: str | None = Field(description="the input that this is nearest to: an id, text, or item-1 …")
    reasons: list[ReasonReply]


class Versioned(BaseModel):
    """Which index version answered."""

    index_version: str


def _describe(
    name: str, record: type[Movie] | type[Track], link: str, base: type[BaseModel]
) -> type[BaseModel]:
    # Spelled from the records, so that the description cannot fall behind them.
    kinds: dict[str, Any] = {key: (kind, ...) for key, kind in get_type_hints(record).items()}
    kinds[link] = (str, Field(description="where to go"))
    model: type[BaseModel] = create_model(name, __base__=base, **kinds)
    return model


MovieReply = _describe("MovieReply", Movie, "watch", Versioned)
TrackReply = _describe("TrackReply", Track, "listen", Versioned)


class FacetsReply(BaseModel):
    """How many of all that the filters leave have each value, most first; a film may have several genres."""

    genres: dict[str, int]
    decades: dict[str, int] = Field(
        description="by the first year of each", json_schema_extra={"example": {"1980": 12}}
    )
    languages: dict[str, int] = Field(description="films only")


class Judged(Versioned):
    """Whether there is anything worth showing."""

    facets: FacetsReply | None = Field(default=None, description="there if asked for")

    good_match: bool = Field(
        description="false: even the best result is more likely a random pair than a real one; say so"
    )


class Sourced(BaseModel):
    """Where a known pair is known from."""

    source: Literal["given", "knowledge", "catalogue"] = Field(
        description="a pair that this index was given, the project's own knowledge, or what the catalogue says"
    )


def _describe_list(
    name: str, result: Any, base: type[BaseModel] = Versioned, known: Any = None
) -> type[BaseModel]:
    facts: dict[str, Any] = {}
    if known is not None:
        facts["soundtrack"] = (
            list[known] | None,
            Field(default=None, description="known pairs: facts, which play no part in the ranking"),
        )
    return create_model(
        name,
        __base__=base,
        **facts,
        query=(dict[str, Any], Field(description="the request as it was understood")),
        total=(int, Field(description="how many there are, on all pages")),
        results=(list[result], ...),
    )


FoundMovies = _describe_list("FoundMovies", _describe("FoundMovie", Movie, "watch", Ranked))
FoundTracks = _describe_list("FoundTracks", _describe("FoundTrack", Track, "listen", Ranked))
_MovieMatch = _describe("MovieMatch", Movie, "watch", Matched)
_TrackMatch = _describe("TrackMatch", Track, "listen", Matched)
_KnownMovie = _describe("KnownMovie", Movie, "watch", Sourced)
_KnownTrack = _describe("KnownTrack", Track, "listen", Sourced)
MovieMatches = _describe_list("MovieMatches", _MovieMatch, Judged, _KnownMovie)
TrackMatches = _describe_list("TrackMatches", _TrackMatch, Judged, _KnownTrack)
Matches = _describe_list("Matches", _MovieMatch | _TrackMatch, Judged, _KnownMovie | _KnownTrack)


class Relevance(Versioned):
    """How well the served version finds the soundtrack pairs it was given; null where it had too few to tell."""

    relevance: dict[str, Any] | None
    learned: dict[str, str] = Field(
        description="how much is written about films and songs, and how many pairs are known"
    )
    methods: dict[str, Any] = Field(description="the other methods in this version, or why they are not")
    good_match: float = Field(description="a best match score below this is no good match")


class Health(BaseModel):
    """The server runs."""

    status: Literal["ok"]


class RefusedVersion(BaseModel):
    """The version that is published, but not served."""

    version: str
    reason: str


class Readiness(Versioned):
    """The server can answer searches; ``refused`` says where it does so from another version than the published one."""

    status: Literal["ready"]
    refused: RefusedVersion | None
