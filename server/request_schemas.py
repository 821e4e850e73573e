"""What requests look like: checked on the way in, described in /openapi.json."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from indexer.catalogue.records import Medium
from indexer.filter_columns import NO_FILTERS, Filters
from indexer.space import Dials
from server.item_bodies import Items, name_items
from server.search import METHODS, SEGUE, Query
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

Unique = Annotated[
    bool,
    Field(
        description="of each recording and each artist the best first, what repeats one after all others; "
        "false: by score alone"
    ),
]

FILTER_NAMES = tuple(field.name for field in fields(Filters))
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
        given = self.model_fields_set.intersection(FILTER_NAMES)
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
    unique: Unique = True
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
        description="0 leans to the hidden, 1 to the known; left out, there is a mild preference for the known",
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
    unique: Unique = True
    soundtrack: bool = Field(
        default=False,
        description="tell which items of the target are known to be heard in, or to hold, the given ones",
    )
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
            unique=self.unique,
            soundtrack=self.soundtrack,
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
