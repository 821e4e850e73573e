"""What requests and replies look like: checked on the way in, described in /openapi.json on both ways."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache, lru_cache
from operator import attrgetter
from typing import Annotated, Any, Literal, Self, get_origin, get_type_hints
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator
from pydantic_core import PydanticCustomError

from indexer.catalogue.records import Medium, Movie, Track
from indexer.filter_columns import NO_FILTERS, Facets, Filters
from indexer.space import Dials
from server.item_bodies import Items, name_items, show_item_asked
from server.item_look_up import LookedUp
from server.search import GOOD_MATCH, METHODS, SEGUE, Answer, Hit, Query
from server.settings import (
    MAX_ID_LENGTH,
    MAX_IDS,
    MAX_LIMIT,
    MAX_NAME_LENGTH,
    MAX_NAMES,
    MAX_OFFSET,
    MAX_TEXT,
)

Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
Ids = Annotated[list[Id], Field(max_length=MAX_IDS)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
Names = Annotated[list[Name], Field(max_length=MAX_NAMES)]
Limit = Annotated[
    int, Field(ge=1, le=MAX_LIMIT, description="how many results", json_schema_extra={"example": 10})
]
Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET, description="how many results to leave out first")]
Pinned = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        description="only this index version may answer, as the first page named it; 409 where another one does",
    ),
]
WithFacets = Annotated[
    bool, Field(description="count what the filters leave by genre, decade and language, on all pages")
]

_FILTER_NAMES = tuple(field.name for field in fields(Filters))
_OPEN = ConfigDict(extra="forbid", allow_inf_nan=False)
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class Parameters(BaseModel):
    """Parameters of a call. The library that reads them asks for their schema at every request, so it is kept."""

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Describe the parameters; not to be changed by the caller where nothing is given."""
        return super().model_json_schema(*args, **kwargs) if args or kwargs else _describe_plainly(cls)


@cache
def _describe_plainly(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


class FilterFields(Parameters):
    """What a result must satisfy: all that is given. Limits are inclusive; an unknown value never passes."""

    model_config = _OPEN

    genres: Names = Field(
        default=[], description="any of these genres", json_schema_extra={"example": ["Drama"]}
    )
    year_min: int | None = None
    year_max: int | None = None
    language: Names = Field(
        default=[], description="films: any of these languages", json_schema_extra={"example": ["en"]}
    )
    rating_min: float | None = Field(default=None, description="films: 0 to 10")
    votes_min: int | None = Field(default=None, description="films: number of votes")
    popularity_min: float | None = Field(default=None, description="on the medium's own scale")
    runtime_min: float | None = Field(default=None, description="films: minutes")
    runtime_max: float | None = Field(default=None, description="films: minutes")
    explicit: bool | None = Field(default=None, description="songs: with explicit lyrics, or without")
    tempo_min: float | None = Field(default=None, description="songs: beats a minute")
    tempo_max: float | None = Field(default=None, description="songs: beats a minute")
    energy_min: float | None = Field(default=None, description="songs: 0 to 1")
    energy_max: float | None = Field(default=None, description="songs: 0 to 1")
    valence_min: float | None = Field(default=None, description="songs: 0 (sad) to 1 (happy)")
    valence_max: float | None = Field(default=None, description="songs: 0 (sad) to 1 (happy)")

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for name in ("year", "runtime", "tempo", "energy", "valence"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if low is not None and high is not None and low > high:
                message = f"is above {name}_max; nothing lies between"
                raise PydanticCustomError("empty_range", message, {"field": f"{name}_min"})
        return self

    def to_filters(self) -> Filters:
        """Make the filters that ``Search`` takes."""
        given = self.model_fields_set.intersection(_FILTER_NAMES)
        if not given:
            return NO_FILTERS
        values: dict[str, Any] = {}
        for name in given:
            value = getattr(self, name)
            values[name] = tuple(value) if isinstance(value, list) else value
        return Filters(**values)


class FilterBody(FilterFields):
    """Filters in a JSON body: types must be exact."""

    model_config = _STRICT


class MatchQuery(FilterFields):
    """Parameters of a call for matches; genres and languages may be repeated or separated by commas."""

    limit: Limit = 10
    offset: Offset = 0
    explain: bool = Field(default=True, description="say which terms the score is made of")
    facets: WithFacets = False
    index_version: Pinned = None

    @field_validator("genres", "language", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [name.strip() for part in value for name in str(part).split(",")]


class AvoidBody(BaseModel):
    """What results should be unlike."""

    model_config = _STRICT

    tracks: Ids = []
    movies: Ids = []
    text: Text = ""


_EXAMPLES: dict[str, Any] = {
    "mood": {"value": {"target": "movies", "text": "a rainy night in the city", "limit": 5}},
    "film": {
        "value": {
            "target": "tracks",
            "movies": ["680"],
            "avoid": {"text": "slow and sad"},
            "filters": {"genres": ["rock"], "year_max": 1995},
        }
    },
    "song of one's own": {
        "value": {
            "target": "movies",
            "items": [
                {
                    "kind": "track",
                    "title": "Rain on the Window",
                    "tags": ["lo-fi", "melancholic"],
                    "features": {"energy": 0.2, "valence": 0.3, "tempo": 74},
                }
            ],
        }
    },
}


class MoodBody(BaseModel):
    """Dials of the mood: results shift that way from what was asked for."""

    model_config = _STRICT

    valence: float = Field(default=0.0, ge=-1, le=1, description="darker (−1) … brighter (1)")
    energy: float = Field(default=0.0, ge=-1, le=1, description="calmer (−1) … wilder (1)")


class WantedBody(BaseModel):
    """What results should be like, and which of them to show: the part that all searches with a body have."""

    model_config = _STRICT

    avoid: AvoidBody = Field(default_factory=AvoidBody)
    filters: FilterBody = Field(default_factory=FilterBody)
    limit: Limit = 10
    offset: Offset = 0
    explain: bool = Field(default=True, description="say which terms the score is made of")
    mood: MoodBody = Field(default_factory=MoodBody)
    popularity: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="0 leans to the hidden, 1 to the known; left out, it plays no part",
    )
    diversity: float = Field(
        default=0.0, ge=0, le=1, description="how much results should differ from each other"
    )
    method: str = Field(
        default=SEGUE,
        max_length=40,
        description="segue, or another method that the index version holds",
        json_schema_extra={"enum": list(METHODS)},
    )
    facets: WithFacets = False
    index_version: Pinned = None


class SearchBody(WantedBody):
    """A search: at least one of ``tracks``, ``movies``, ``text`` and ``items``. Several inputs combine."""

    # The library that writes the description looks for examples of a body under this key.
    model_config = ConfigDict(**_STRICT, openapi_extra={"examples": _EXAMPLES})  # type: ignore[typeddict-unknown-key]

    target: Medium = Field(description="what to find")
    tracks: Ids = Field(default=[], description="ids of songs to match")
    movies: Ids = Field(default=[], description="ids of films to match")
    text: Text = Field(default="", description="a mood, a scene, a story in words")
    items: Items = []

    @model_validator(mode="after")
    def _check_inputs(self) -> Self:
        if not (self.tracks or self.movies or self.text.strip() or self.items):
            raise PydanticCustomError("empty_search", "give at least one of tracks, movies, text and items")
        return self

    def to_query(self) -> Query:
        """Make the query that ``Search`` takes."""
        return Query(
            target=self.target,
            tracks=tuple(self.tracks),
            movies=tuple(self.movies),
            text=self.text.strip(),
            items=name_items(self.items),
            avoid_tracks=tuple(self.avoid.tracks),
            avoid_movies=tuple(self.avoid.movies),
            avoid_text=self.avoid.text.strip(),
            filters=self.filters.to_filters(),
            limit=self.limit,
            offset=self.offset,
            explain=self.explain,
            method=self.method,
            facets=self.facets,
            index_version=self.index_version or "",
            diversity=self.diversity,
            dials=Dials(
                self.mood.valence,
                self.mood.energy,
                0.0 if self.popularity is None else 2.0 * self.popularity - 1.0,
            ),
        )


class LookUpQuery(Parameters):
    """Parameters of a look-up by title or artist."""

    model_config = _OPEN

    q: str = Field(min_length=1, max_length=MAX_TEXT, description="title, artist or both; typos are fine")
    limit: Limit = 10

    @field_validator("q", mode="after")
    @classmethod
    def _strip(cls, value: str) -> str:
        if not value.strip():
            raise PydanticCustomError("blank", "must hold a title or an artist")
        return value.strip()


class NoQuery(Parameters):
    """No parameters."""

    model_config = _OPEN


class ItemPath(BaseModel):
    """The id of a song or a film, as its data set has it."""

    id: Id


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


def _describe_list(name: str, result: Any, base: type[BaseModel] = Versioned) -> type[BaseModel]:
    return create_model(
        name,
        __base__=base,
        query=(dict[str, Any], Field(description="the request as it was understood")),
        total=(int, Field(description="how many there are, on all pages")),
        results=(list[result], ...),
    )


FoundMovies = _describe_list("FoundMovies", _describe("FoundMovie", Movie, "watch", Ranked))
FoundTracks = _describe_list("FoundTracks", _describe("FoundTrack", Track, "listen", Ranked))
_MovieMatch = _describe("MovieMatch", Movie, "watch", Matched)
_TrackMatch = _describe("TrackMatch", Track, "listen", Matched)
MovieMatches = _describe_list("MovieMatches", _MovieMatch, Judged)
TrackMatches = _describe_list("TrackMatches", _TrackMatch, Judged)
Matches = _describe_list("Matches", _MovieMatch | _TrackMatch, Judged)


class Relevance(Versioned):
    """How well the served version finds pairs it did not learn from; null where it had too few to tell."""

    relevance: dict[str, Any] | None
    learned: dict[str, str] = Field(description="what each learned part was learned from, or why it was not")
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


@lru_cache(maxsize=8_192)
def _link_to_song(title: str, artists: tuple[str, ...]) -> str:
    return "https://open.spotify.com/search/" + quote(" ".join((title, *artists)), safe="")


def link_to(item: Movie | Track) -> str:
    """Make the address where a song can be heard or a film be seen."""
    if isinstance(item, Track):
        return _link_to_song(item.title, item.artists)
    if item.id.isascii() and item.id.isdigit():
        return f"https://www.themoviedb.org/movie/{item.id}"
    return "https://www.themoviedb.org/search/movie?query=" + quote_plus(item.title)


def _list_fields(record: type[Movie] | type[Track]) -> tuple[list[str], attrgetter[Any], list[str]]:
    """Names of all fields, what reads them, and which of them are lists."""
    names = [field.name for field in fields(record)]
    kinds = get_type_hints(record)
    return names, attrgetter(*names), [name for name in names if get_origin(kinds[name]) is tuple]


_SHOWN = {record: _list_fields(record) for record in (Movie, Track)}


def show_item(item: Movie | Track) -> dict[str, Any]:
    """Spell out an item with its link; unknown values are None."""
    names, read, lists = _SHOWN[type(item)]
    shown: dict[str, Any] = dict(zip(names, read(item), strict=True))
    for name in lists:
        shown[name] = list(shown[name])
    shown["listen" if isinstance(item, Track) else "watch"] = link_to(item)
    return shown


def show_hit(hit: Hit) -> dict[str, Any]:
    """Spell out a match: its place first, then the item. ValueError for a score that is no number."""
    reasons = [{"term": r.term, "value": r.value, "text": r.text} for r in hit.reasons]
    # One sum tells whether any of them is infinite or none.
    check_number(sum([r.value for r in hit.reasons], hit.score + hit.raw_score))
    shown = {
        "id": hit.id,
        "rank": hit.rank,
        "score": hit.score,
        "raw_score": hit.raw_score,
        "based_on": hit.based_on,
        "reasons": reasons,
    }
    shown.update(show_item(hit.item))
    return shown


def check_number(number: float) -> float:
    """The same number; ValueError for NaN and infinity, which JSON lacks."""
    if not math.isfinite(number):
        raise ValueError(f"{number} cannot be part of a reply")
    return number


def show_query(query: Query, unread: Sequence[Sequence[str]] = ()) -> dict[str, Any]:
    """Repeat a query in the shape of a search body; filters, facets, items and the version only where they are set.

    ``unread``: for each item, the parts that were not read.
    """
    filters: dict[str, Any] = {}
    if query.filters is not NO_FILTERS:
        filters = {name: getattr(query.filters, name) for name in _FILTER_NAMES}
    return {
        "target": query.target,
        "tracks": list(query.tracks),
        "movies": list(query.movies),
        "text": query.text,
        "avoid": {
            "tracks": list(query.avoid_tracks),
            "movies": list(query.avoid_movies),
            "text": query.avoid_text,
        },
        "filters": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in filters.items()
            if value is not None and value != ()
        },
        "limit": query.limit,
        "offset": query.offset,
        "explain": query.explain,
        "mood": {"valence": query.dials.valence, "energy": query.dials.energy},
        "popularity": (query.dials.popularity + 1.0) / 2.0 if query.dials.popularity else None,
        "diversity": query.diversity,
        "method": query.method,
        **({"items": _show_items(query, unread)} if query.items else {}),
        **({"facets": True} if query.facets else {}),
        **({"index_version": query.index_version} if query.index_version else {}),
    }


def _show_items(query: Query, unread: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    parts = unread or [()] * len(query.items)
    return [show_item_asked(item, names) for item, names in zip(query.items, parts, strict=True)]


def show_answer(query: Query, answer: Answer, looked_up: Sequence[LookedUp | None] = ()) -> dict[str, Any]:
    """Spell out the reply to a query; with facets where the answer has them, and what came of look-ups of items."""
    shown: dict[str, Any] = {
        "index_version": answer.index_version,
        "query": show_query(query, answer.unread),
        "total": answer.total,
        "good_match": answer.good_match,
        "results": [show_hit(hit) for hit in answer.hits],
    }
    for item, outcome in zip(shown["query"].get("items", ()), looked_up, strict=False):
        if outcome is not None:
            item["looked_up"] = outcome.show()
    if answer.facets is not None:
        shown["facets"] = show_facets(answer.facets)
    return shown


def show_facets(facets: Facets) -> dict[str, dict[str, int]]:
    """Spell out counts; keys are strings, as JSON has them."""
    return {
        "genres": dict(facets.genres),
        "decades": {str(decade): count for decade, count in facets.decades.items()},
        "languages": dict(facets.languages),
    }


def show_relevance(name: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Spell out the relevance card of a version."""
    return {
        "index_version": name,
        "relevance": manifest["relevance"],
        "learned": manifest["learned"],
        "methods": manifest["methods"],
        "good_match": GOOD_MATCH,
    }
