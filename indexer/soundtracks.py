"""Known soundtracks: which songs are heard in which films, as facts beside the ranking and never in it.

A fact comes from one of three sources: pairs that the user gave, the project's knowledge, and what the catalogue
itself says (an album "X (Original Motion Picture Soundtrack)", a song "… (From "X")" or "Theme from X", where the
film's title and the year agree).

    soundtracks.npy   int32 (n, 3) of an index version: film row, song row, place of the source in ``SOURCES``
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged
from indexer.features.columns import Table, read_numbers, read_texts
from indexer.features.matching import film_rows, song_rows
from indexer.knowledge import tables
from indexer.title_lookup import make_key

FILE = "soundtracks.npy"
#: Where facts come from, the surest first.
SOURCES = ("given", "knowledge", "catalogue")

_ALBUM = re.compile(
    r"^(?P<film>.+?)\s*[\(\[:–-]+\s*(?:the\s+)?(?:(?:complete|official|deluxe|expanded)\s+)*"
    r"(?:music\s+from\s+the\s+|songs\s+from\s+the\s+)?(?:original\s+)?(?:motion\s+picture|movie|film)\s*(?:soundtrack|score|music)",
    re.IGNORECASE,
)
_ALBUM_FROM = re.compile(
    r"^(?:music|songs|selections)\s+(?:from|inspired by)\s+the\s+(?:original\s+)?"
    r"(?:motion\s+picture|film|movie)\s*:?\s*(?P<film>.+)$",
    re.IGNORECASE,
)
_SONG = re.compile(
    r"(?:[\(\[]|[-–—]\s+)\s*(?:(?:theme|music|song|love theme|main theme)\s+)?from\s+"
    r"(?:the\s+(?:film|movie|motion picture)\s+)?"
    r"(?:\"(?P<film>[^\"]+)\"|[“”](?P<curly>[^“”]+)[“”]|«(?P<angled>[^»]+)»|['‘](?P<single>.+)['’](?=\s*(?:[\)\]]|$)))",
    re.IGNORECASE,
)
_THEME = re.compile(
    r"^(?:(?:love|main|title)\s+)?theme\s+(?:from|of)\s+[\"“'‘]?(?P<film>[^\"”(\[]+?)[\"”'’]?\s*(?:[\(\[].*)?$",
    re.I,
)
#: A soundtrack is out in the year of its film, or a year around it.
_YEARS_APART = 1


class Fact(NamedTuple):
    """A song that is heard in a film, and where that is known from."""

    row: int
    source: str


class Soundtracks:
    """The known soundtracks of one version, to look up by film or by song."""

    def __init__(self, facts: npt.NDArray[np.int32]) -> None:
        """``facts`` (n, 3): film row, song row, source."""
        self.facts = facts
        self._by: dict[Medium, dict[int, list[Fact]]] = {
            "movies": defaultdict(list),
            "tracks": defaultdict(list),
        }
        for film, song, source in facts.tolist():
            self._by["movies"][film].append(Fact(song, SOURCES[source]))
            self._by["tracks"][song].append(Fact(film, SOURCES[source]))

    def of(self, medium: Medium, row: int) -> Sequence[Fact]:
        """The songs of a film, or the films of a song, the surest first."""
        return self._by[medium].get(row, ())

    def write(self, folder: Path) -> None:
        """Write ``FILE`` into a version's folder."""
        np.save(folder / FILE, self.facts, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Soundtracks:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        try:
            facts = np.load(folder / FILE, allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise VersionDamaged(f"{folder.name}/{FILE} cannot be read: {error}") from error
        if facts.dtype != np.int32 or facts.ndim != 2 or facts.shape[1] != 3:
            raise VersionDamaged(f"{folder.name}/{FILE} holds {facts.dtype} {facts.shape}, not facts")
        return cls(facts)


def gather_soundtracks(movies: Table, tracks: Table, given: npt.NDArray[np.int64]) -> Soundtracks:
    """All facts about a catalogue's films and songs; ``given`` (n, 2): film and song rows of the user's own pairs."""
    found: dict[tuple[int, int], int] = {}
    for source, pairs in enumerate(
        (map(tuple, given.tolist()), _known(movies, tracks), _stated(movies, tracks))
    ):
        for pair in pairs:
            found.setdefault(pair, source)
    facts = sorted((source, film, song) for (film, song), source in found.items())
    rows = [(film, song, source) for source, film, song in facts]
    return Soundtracks(np.array(rows, dtype=np.int32).reshape(-1, 3))


def _known(movies: Table, tracks: Table) -> Iterator[tuple[int, int]]:
    """Facts of the knowledge; of a song's several recordings by its artist each counts."""
    facts = tables.soundtrack_facts()
    films = {fact.film: place for place, fact in enumerate(facts)}
    songs = {fact.song: place for place, fact in enumerate(facts)}
    film_of = _turn(film_rows(movies, films))
    song_of = _turn(song_rows(tracks, songs))
    for fact in facts:
        for film in film_of.get(films[fact.film], ()):
            for song in song_of.get(songs[fact.song], ()):
                yield film, song


def _turn(found: Mapping[int, int]) -> dict[int, list[int]]:
    turned: dict[int, list[int]] = defaultdict(list)
    for row, place in found.items():
        turned[place].append(row)
    return turned


def _stated(movies: Table, tracks: Table) -> Iterator[tuple[int, int]]:
    """What albums and titles say. A title that several films of those years bear says nothing."""
    films: dict[str, list[int]] = defaultdict(list)
    for row, names in enumerate(
        zip(read_texts(movies, "title"), read_texts(movies, "original_title"), strict=True)
    ):
        for key in {make_key(name) for name in names if name}:
            films[key].append(row)
    film_years = read_numbers(movies, "year")
    years = read_numbers(tracks, "year")
    columns = zip(read_texts(tracks, "title"), read_texts(tracks, "album"), strict=True)
    for song, (title, album) in enumerate(columns):
        for name in _name_films(title, album):
            near = [
                film
                for film in films.get(make_key(name), ())
                if abs(film_years[film] - years[song]) <= _YEARS_APART
            ]
            if len(near) == 1:
                yield near[0], song


def _name_films(title: str, album: str) -> Iterator[str]:
    for pattern, text in (
        (_ALBUM, album),
        (_ALBUM_FROM, album),
        (_SONG, title),
        (_SONG, album),
        (_THEME, title),
    ):
        match = pattern.search(text) if text else None
        if match:
            yield next(name for name in match.groupdict().values() if name).strip(" \"“”'‘’:-–")
