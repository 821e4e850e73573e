"""The map's points as a page draws them: where they lie, and what they can be coloured by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.filter_columns import FilterColumns, Filters
from indexer.index_version import IndexVersion
from indexer.space import MEDIA

#: Stands for a mood that is not known.
UNKNOWN = 255
_MAGIC = b"SMP1"
#: Names are shown of the best-known items that lie so far apart, in shares of the map's side.
_LANDMARKS, _LANDMARK_POOL, _LEAST_APART = 90, 3_000, 0.035

#: Family of film genres → the genres; the first family that a film is in is its colour, so rare ones come first.
FILM_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Horror": ("horror",),
    "Animation, family": ("animation", "family", "children"),
    "Science fiction, fantasy": ("science fiction", "sci-fi", "fantasy"),
    "Documentary, history": ("documentary", "history"),
    "War, western": ("war", "western"),
    "Music": ("music", "musical"),
    "Crime, thriller": ("crime", "thriller", "mystery", "film-noir"),
    "Action, adventure": ("action", "adventure"),
    "Romance": ("romance",),
    "Comedy": ("comedy",),
    "Drama": ("drama",),
}
#: Family of song genres → parts of the genres' names; a genre belongs to the first family that one of them fits.
SONG_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Classical, ambient": ("classical", "opera", "piano", "ambient", "new-age", "new age", "soundtrack"),
    "Jazz, blues": ("jazz", "blues", "swing"),
    "Metal": ("metal", "hardcore", "grindcore", "djent", "emo", "goth", "industrial"),
    "Hip hop": ("hip hop", "hip-hop", "rap", "trap", "drill"),
    "Latin, world": (
        *("latin", "reggaeton", "salsa", "samba", "tango", "forro", "sertanejo", "pagode", "mpb", "brazil"),
        *("spanish", "flamenco", "world", "afro", "indian", "turkish", "iranian", "malay", "bollywood"),
    ),
    "Reggae, ska": ("reggae", "dancehall", "ska"),
    "Country, folk": ("country", "folk", "bluegrass", "honky", "singer-songwriter", "songwriter", "acoustic"),
    "Soul, funk, disco": ("soul", "r&b", "r-n-b", "funk", "disco", "gospel", "urban", "jack swing", "groove"),
    "Electronic": (
        *("electro", "house", "techno", "trance", "edm", "dance", "big room", "breakbeat", "garage", "idm"),
        *("drum", "step", "bass", "tropical", "hardstyle", "club", "chill", "trip-hop", "minimal"),
    ),
    "Rock, indie": ("rock", "punk", "grunge", "indie", "alternative", "wave", "guitar", "british", "psych"),
    "Pop": ("pop", "disney", "kids", "children", "show-tunes", "anime", "idol", "happy", "party", "romance"),
}
FAMILIES: Mapping[Medium, Mapping[str, tuple[str, ...]]] = {"movies": FILM_FAMILIES, "tracks": SONG_FAMILIES}


@dataclass(frozen=True)
class Landmark:
    """A well-known item whose name the map shows: its point and its row."""

    point: int
    medium: Medium
    row: int


class MapPoints:
    """The points of one version: films by row, then songs by row; a point's number is its place in that order."""

    def __init__(
        self, name: str, sizes: Mapping[Medium, int], body: bytes, landmarks: list[Landmark]
    ) -> None:
        self.name = name
        self.sizes = sizes
        self.body = body
        self.landmarks = landmarks

    @classmethod
    def of(cls, version: IndexVersion) -> MapPoints | None:
        """Take the points of a version; None where it was built without a map."""
        layout = version.map_layout
        if layout is None:
            return None
        sizes = {medium: len(layout.positions[medium]) for medium in MEDIA}
        places = np.concatenate([layout.positions[medium] for medium in MEDIA])
        families = np.concatenate([color_by_genre(medium, version.filters[medium]) for medium in MEDIA])
        moods = np.concatenate([_to_bytes(version.moods[medium]) for medium in MEDIA])
        name = version.name.encode()
        name += bytes(-len(name) % 4)
        head = _MAGIC + np.array([sizes["movies"], sizes["tracks"], len(name)], dtype="<u4").tobytes() + name
        # Column by column: that packs a little smaller, and a page reads each as one typed array.
        columns = [places[:, 0].astype("<u2"), places[:, 1].astype("<u2"), families, moods[:, 0], moods[:, 1]]
        body = head + b"".join(np.ascontiguousarray(column).tobytes() for column in columns)
        landmarks = list(_pick_landmarks(version, sizes, places))
        return cls(version.name, sizes, body, landmarks)

    @cached_property
    def packed(self) -> bytes:
        """``body``, gzipped; the same points give the same bytes."""
        import gzip

        return gzip.compress(self.body, compresslevel=6, mtime=0)

    def find(self, point: int) -> tuple[Medium, int]:
        """Medium and row of a point; IndexError for one that is not there."""
        if not 0 <= point < sum(self.sizes.values()):
            raise IndexError(point)
        films = self.sizes["movies"]
        return ("movies", point) if point < films else ("tracks", point - films)

    def point(self, medium: Medium, row: int) -> int:
        """Number of the point of a row."""
        return row if medium == "movies" else self.sizes["movies"] + row


def color_by_genre(medium: Medium, columns: FilterColumns) -> npt.NDArray[np.uint8]:
    """Number of every row's genre family (n,) uint8: from 1, in the order of ``FAMILIES``; 0 without one."""
    found = np.zeros(columns.size, dtype=np.uint8)
    taken: set[str] = set()
    for number, words in enumerate(FAMILIES[medium].values(), start=1):
        if medium == "movies":
            genres = tuple(genre for genre in columns.genres if genre.casefold() in words)
        else:
            fits = (g for g in columns.genres if any(word in g.casefold() for word in words))
            genres = tuple(genre for genre in fits if genre not in taken)
        taken.update(genres)
        mask = columns.mask(Filters(genres=genres)) if genres else None
        if mask is not None:
            found[mask & (found == 0)] = number
    return found


def _to_bytes(moods: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    shares = np.round(np.clip(moods, 0.0, 1.0) * (UNKNOWN - 1))
    return np.where(np.isnan(moods), UNKNOWN, shares).astype(np.uint8)


def _pick_landmarks(
    version: IndexVersion, sizes: Mapping[Medium, int], places: npt.NDArray[np.uint16]
) -> Iterator[Landmark]:
    """Well-known films and songs in turn, none too near to one before."""
    known = {medium: version.filters[medium].best_known[: _LANDMARK_POOL // 2] for medium in MEDIA}
    least = _LEAST_APART * 65_535
    picked = np.empty((0, 2))
    for place in range(max(len(rows) for rows in known.values())):
        for medium in MEDIA:
            if place >= len(known[medium]):
                continue
            row = int(known[medium][place])
            point = row if medium == "movies" else sizes["movies"] + row
            at = places[point].astype(np.float64)
            if len(picked) and np.hypot(*(picked - at).T).min() < least:
                continue
            picked = np.vstack([picked, at])
            yield Landmark(point, medium, row)
            if len(picked) == _LANDMARKS:
                return
