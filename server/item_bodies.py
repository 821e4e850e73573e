"""Songs and films in a search that no index version holds: how a request brings them, and how a reply repeats them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from indexer.catalogue.records import AUDIO_FEATURES, Movie, Track
from indexer.unseen_items import UnseenItem, UnseenMovie, UnseenTrack, given_parts, record_of
from server.settings import MAX_ITEMS, MAX_LONG_TEXT, MAX_NAME_LENGTH, MAX_NAMES, MAX_TEXT

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


def _strip(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must hold more than spaces")
    return text.strip()


_Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_strip)]
_LongText = Annotated[str, Field(min_length=1, max_length=MAX_LONG_TEXT), AfterValidator(_strip)]
_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH), AfterValidator(_strip)]
_Names = Annotated[list[_Name], Field(max_length=MAX_NAMES)]
_Year = Annotated[int, Field(ge=1000, le=3000)]
_Share = Annotated[float, Field(ge=0, description="on the catalogue's own scale; plays no part in a search")]

#: Fields that say nothing about an item.
_NO_PARTS = frozenset({"kind", "look_up"})
#: Parts that a record keeps as they are.
_TRACK_PARTS = ("title", "artists", "album", "genres", "tags", "year", "decade", "duration_ms", "popularity")
_MOVIE_PARTS = ("title", "year", "genres", "keywords", "overview", "tagline", "language", "popularity")
_BEATS = {"key": (-1, 11), "mode": (0, 1), "time_signature": (0, 7)}

FeaturesBody = create_model(
    "FeaturesBody",
    __config__=_STRICT,
    __doc__="Audio features as Spotify defines them; any may be left out.",
    **{
        name: (float | None, Field(default=None, ge=least, le=most))
        for name, (least, most) in AUDIO_FEATURES.items()
    },
    **{name: (int | None, Field(default=None, ge=least, le=most)) for name, (least, most) in _BEATS.items()},
)  # type: ignore[call-overload]


class _ItemBody(BaseModel):
    """What songs and films have in common."""

    model_config = _STRICT

    title: _Text | None = None
    genres: _Names = []
    year: _Year | None = None
    popularity: _Share | None = None
    look_up: bool = Field(
        default=False,
        description="fill in what is not given from Spotify, TMDb or OMDb, where the server has a key for them; "
        "title, first artist and year are sent there",
    )

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if not any(_says(getattr(self, name)) for name in type(self).model_fields if name not in _NO_PARTS):
            raise PydanticCustomError("empty_item", "give at least one part beside kind")
        if self.look_up and self.title is None:
            raise PydanticCustomError("look_up_untitled", "look_up needs a title")
        return self

    def _parts(self, names: Sequence[str]) -> dict[str, Any]:
        values = ((name, getattr(self, name)) for name in names)
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values}


class TrackBody(_ItemBody):
    """A song; any part may be missing."""

    kind: Literal["track"]
    artists: _Names = []
    album: _Text | None = None
    tags: _Names = []
    decade: _Year | None = Field(default=None, description="its first year; taken from year where left out")
    duration_ms: int | None = Field(default=None, ge=1, le=10**9)
    features: FeaturesBody | None = None  # type: ignore[valid-type]
    lyrics: _LongText | None = Field(default=None, description="not read: index versions are built without")

    def to_item(self, id: str) -> UnseenTrack:
        """Make the song that ``Search`` takes."""
        given: dict[str, Any] = {} if self.features is None else self.features.model_dump()
        parts = self._parts(_TRACK_PARTS) | given
        return UnseenTrack(Track(id=id, **{**parts, "title": self.title or ""}), self.lyrics or "")


class MovieBody(_ItemBody):
    """A film; any part may be missing."""

    kind: Literal["movie"]
    keywords: _Names = []
    overview: _LongText | None = None
    tagline: _Text | None = None
    language: _Name | None = Field(default=None, description="ISO 639-1, as in the catalogue: en, fr")

    def to_item(self, id: str) -> UnseenMovie:
        """Make the film that ``Search`` takes."""
        return UnseenMovie(Movie(id=id, **{**self._parts(_MOVIE_PARTS), "title": self.title or ""}))


ItemBody = Annotated[TrackBody | MovieBody, Field(discriminator="kind")]
Items = Annotated[
    list[ItemBody],
    Field(
        max_length=MAX_ITEMS,
        description="songs and films that the catalogue does not hold; `based_on` names them item-1, item-2 …",
    ),
]


def name_items(bodies: Sequence[TrackBody | MovieBody]) -> tuple[UnseenItem, ...]:
    """Items with the ids item-1, item-2 …, in their order."""
    return tuple(body.to_item(f"item-{number}") for number, body in enumerate(bodies, start=1))


def show_item_asked(item: UnseenItem, unread: Sequence[str]) -> dict[str, Any]:
    """Repeat an item with all parts that were given, and say which of them were read; ``unread`` names the others."""
    given = given_parts(item)
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    features = {name: plain.pop(name) for name in (*AUDIO_FEATURES, *_BEATS) if name in plain}
    shown: dict[str, Any] = {
        "kind": "track" if isinstance(item, UnseenTrack) else "movie",
        "id": record_of(item).id,
        **plain,
    }
    if features:
        shown["features"] = features
    names = {name: name for name in plain} | {name: f"features.{name}" for name in features}
    shown["read"] = [said for name, said in names.items() if name not in unread]
    shown["unread"] = [said for name, said in names.items() if name in unread]
    return shown


def _says(value: Any) -> bool:
    if isinstance(value, BaseModel):
        return any(part is not None for _, part in value)
    return value is not None and value != []
