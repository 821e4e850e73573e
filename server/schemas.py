"""What requests and replies look like: checked on the way in, described in /openapi.json on both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal, Self, get_type_hints
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator
from pydantic_core import PydanticCustomError

from indexer.catalogue.records import Medium, Movie, Track
from indexer.filter_columns import Filters
from indexer.space import Dials
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

_OPEN = ConfigDict(extra="forbid", allow_inf_nan=False)
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class FilterFields(BaseModel):
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
        values: dict[str, Any] = {}
        for field in fields(Filters):
            value = getattr(self, field.name)
            values[field.name] = tuple(value) if isinstance(value, list) else value
        return Filters(**values)


class FilterBody(FilterFields):
    """Filters in a JSON body: types must be exact."""

    model_config = _STRICT


class MatchQuery(FilterFields):
    """Parameters of a call for matches; genres and languages may be repeated or separated by commas."""

    limit: Limit = 10
    offset: Offset = 0
    explain: bool = Field(default=True, description="say which terms the score is made of")

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
}


class MoodBody(BaseModel):
    """Dials of the mood: results shift that way from what was asked for."""

    model_config = _STRICT

    valence: float = Field(default=0.0, ge=-1, le=1, description="darker (−1) … brighter (1)")
    energy: float = Field(default=0.0, ge=-1, le=1, description="calmer (−1) … wilder (1)")


class SearchBody(BaseModel):
    """A search: at least one of ``tracks``, ``movies`` and ``text``. Several inputs combine."""

    # The library that writes the description looks for examples of a body under this key.
    model_config = ConfigDict(**_STRICT, openapi_extra={"examples": _EXAMPLES})  # type: ignore[typeddict-unknown-key]

    target: Medium = Field(description="what to find")
    tracks: Ids = Field(default=[], description="ids of songs to match")
    movies: Ids = Field(default=[], description="ids of films to match")
    text: Text = Field(default="", description="a mood, a scene, a story in words")
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

    @model_validator(mode="after")
    def _check_inputs(self) -> Self:
        if not (self.tracks or self.movies or self.text.strip()):
            raise PydanticCustomError("empty_search", "give at least one of tracks, movies and text")
        return self

    def to_query(self) -> Query:
        """Make the query that ``Search`` takes."""
        return Query(
            target=self.target,
            tracks=tuple(self.tracks),
            movies=tuple(self.movies),
            text=self.text.strip(),
            avoid_tracks=tuple(self.avoid.tracks),
            avoid_movies=tuple(self.avoid.movies),
            avoid_text=self.avoid.text.strip(),
            filters=self.filters.to_filters(),
            limit=self.limit,
            offset=self.offset,
            explain=self.explain,
            method=self.method,
            diversity=self.diversity,
            dials=Dials(
                self.mood.valence,
                self.mood.energy,
                0.0 if self.popularity is None else 2.0 * self.popularity - 1.0,
            ),
        )


class LookUpQuery(BaseModel):
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


class NoQuery(BaseModel):
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
    based_on: str | None = Field(description="the input that this is nearest to: an id, or text")
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


class Judged(Versioned):
    """Whether there is anything worth showing."""

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


class Readiness(Versioned):
    """The server can answer searches."""

    status: Literal["ready"]


def link_to(item: Movie | Track) -> str:
    """Make the address where a song can be heard or a film be seen."""
    if isinstance(item, Track):
        return "https://open.spotify.com/search/" + quote(" ".join((item.title, *item.artists)), safe="")
    if item.id.isascii() and item.id.isdigit():
        return f"https://www.themoviedb.org/movie/{item.id}"
    return "https://www.themoviedb.org/search/movie?query=" + quote_plus(item.title)


def show_item(item: Movie | Track) -> dict[str, Any]:
    """Spell out an item with its link; unknown values are None."""
    shown: dict[str, Any] = {}
    for field in fields(item):
        value = getattr(item, field.name)
        shown[field.name] = list(value) if isinstance(value, tuple) else value
    shown["listen" if isinstance(item, Track) else "watch"] = link_to(item)
    return shown


def show_hit(hit: Hit) -> dict[str, Any]:
    """Spell out a match: its place first, then the item."""
    place = {
        "id": hit.id,
        "rank": hit.rank,
        "score": hit.score,
        "raw_score": hit.raw_score,
        "based_on": hit.based_on,
        "reasons": [{"term": r.term, "value": r.value, "text": r.text} for r in hit.reasons],
    }
    return {**place, **show_item(hit.item), "id": hit.id}


def show_query(query: Query) -> dict[str, Any]:
    """Repeat a query in the shape of a search body; of the filters, those that are set."""
    values = {field.name: getattr(query.filters, field.name) for field in fields(Filters)}
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
            for name, value in values.items()
            if value is not None and value != ()
        },
        "limit": query.limit,
        "offset": query.offset,
        "explain": query.explain,
        "mood": {"valence": query.dials.valence, "energy": query.dials.energy},
        "popularity": (query.dials.popularity + 1.0) / 2.0 if query.dials.popularity else None,
        "diversity": query.diversity,
        "method": query.method,
    }


def show_answer(query: Query, answer: Answer) -> dict[str, Any]:
    """Spell out the reply to a query."""
    return {
        "index_version": answer.index_version,
        "query": show_query(query),
        "total": answer.total,
        "good_match": answer.good_match,
        "results": [show_hit(hit) for hit in answer.hits],
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
