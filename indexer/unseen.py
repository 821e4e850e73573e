"""Places items that an index version does not hold: the vector that a build would give them.

unseen/                      of an index version
  artists.txt                artists, case folded, ascending, one a line
  artists_indptr.npy         int64 (artists + 1,), and
  artists_rows.npy           int32: the songs of each

A song borrows from its artists' other songs in the catalogue, as in a build; one with the title and artists of a
song of the catalogue counts as that song, and does not borrow from it. Several items are placed each by itself.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import AUDIO_FEATURES, SEPARATOR, Medium, Movie, Track
from indexer.errors import VersionDamaged
from indexer.features.columns import Table, read_texts, tabulate_movies, tabulate_tracks
from indexer.features.matching import film_rows, song_rows
from indexer.features.profiles import EncodeTexts, read_film_features, read_song_parts
from indexer.features.song_labels import fold_artists
from indexer.features.text_encoder import TextEncoder
from indexer.knowledge import tables
from indexer.space import Space
from indexer.unseen_items import UnseenItem, UnseenTrack, given_parts

Floats = npt.NDArray[np.float32]

_ARTISTS = "artists.txt"
_INDPTR, _ROWS = "artists_indptr.npy", "artists_rows.npy"
_KEY_BYTES = 16
#: Parts that are read: titles and artists to find what is written of them.
_TRACK_READ = ("title", "artists", "genres", "tags", "year", "decade", *AUDIO_FEATURES)
_MOVIE_READ = ("title", "original_title", "year", "genres", "keywords", "overview", "tagline", "language")


@dataclass(frozen=True)
class Placed:
    """An item as a query: ``vector`` (dimension,) as an item's in the index with a hub entry of 0.

    ``profile`` (width,): its music profile. ``unread``: the parts that were given and play no part in a search.
    """

    medium: Medium
    item: Movie | Track
    vector: Floats
    profile: Floats
    unread: tuple[str, ...]


def write_unseen(folder: Path, tracks: Table) -> None:
    """Write what ``Placing`` needs into a new folder; ``tracks`` has the columns of ``TRACK_COLUMNS``."""
    folder.mkdir()
    songs: dict[str, list[int]] = {}
    for row, cell in enumerate(read_texts(tracks, "artists")):
        for artist in fold_artists(cell):
            songs.setdefault(artist, []).append(row)
    artists = sorted(songs)
    (folder / _ARTISTS).write_text("".join(f"{artist}\n" for artist in artists), encoding="utf-8")
    counts = np.array([len(songs[artist]) for artist in artists], dtype=np.int64)
    np.save(folder / _INDPTR, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), allow_pickle=False)
    rows = np.array([row for artist in artists for row in songs[artist]], dtype=np.int32)
    np.save(folder / _ROWS, rows, allow_pickle=False)


class Artists:
    """The songs of each artist of a catalogue."""

    def __init__(self, folder: Path) -> None:
        try:
            self._names = (folder / _ARTISTS).read_text(encoding="utf-8").split("\n")[:-1]
            self._indptr, self._rows = (
                np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in (_INDPTR, _ROWS)
            )
        except (OSError, ValueError, EOFError) as error:
            raise VersionDamaged(f"{folder.name}: the artists cannot be read: {error}") from error
        if len(self._indptr) != len(self._names) + 1 or self._indptr[-1] != len(self._rows):
            raise VersionDamaged(f"{folder.name}: the files of the artists do not fit together")

    def rows(self, artists: Sequence[str]) -> list[int]:
        """Rows of all songs of any of these artists (``fold_artists``), ascending."""
        found: set[int] = set()
        for artist in artists:
            place = bisect_left(self._names, artist)
            if place < len(self._names) and self._names[place] == artist:
                found.update(self._rows[self._indptr[place] : self._indptr[place + 1]].tolist())
        return sorted(found)


class KnownTexts:
    """Embeddings as a build has them, those of its own texts from its version: float16 unit rows as float32."""

    def __init__(
        self,
        encoder: TextEncoder,
        salt: bytes,
        keys: npt.NDArray[np.uint8],
        rows: npt.NDArray[np.float16],
    ) -> None:
        self._encoder, self._salt = encoder, salt
        self._keys = np.ascontiguousarray(keys).view(f"S{_KEY_BYTES}").ravel()
        self._rows = rows

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embeddings (n, d) float32; an empty text is zeros."""
        embedded = np.zeros((len(texts), self._encoder.dimension), dtype=np.float32)
        missing: dict[str, list[int]] = {}
        for row, text in enumerate(texts):
            if not text:
                continue
            place = self._find(text)
            if place is None:
                missing.setdefault(text, []).append(row)
            else:
                embedded[row] = self._rows[place]
        if missing:
            fresh = self._encoder.encode_all(list(missing), workers=1).astype(np.float16)
            for vector, places in zip(fresh, missing.values(), strict=True):
                embedded[places] = vector
        return embedded

    def _find(self, text: str) -> int | None:
        key = hashlib.blake2b(text.encode(), digest_size=_KEY_BYTES, salt=self._salt).digest()
        # NumPy strips zero bytes at the end of either side alike.
        place = int(np.searchsorted(self._keys, np.bytes_(key)))
        there = place < len(self._keys) and self._keys[place] == np.bytes_(key)
        return place if there else None


#: Rows of the catalogue → its songs.
ReadSongs = Callable[[Sequence[int]], Sequence[Track]]


class Placing:
    """Places items in one version's space; safe to use from many threads."""

    def __init__(self, artists: Artists, space: Space, songs: ReadSongs, encode: EncodeTexts) -> None:
        self._artists, self._space, self._songs, self._encode = artists, space, songs, encode

    @classmethod
    def open(cls, folder: Path, space: Space, songs: ReadSongs, encode: EncodeTexts) -> Placing:
        """Open what ``write_unseen`` wrote; raises ``VersionDamaged``."""
        return cls(Artists(folder), space, songs, encode)

    def place(self, item: UnseenItem) -> Placed:
        """Place one item."""
        readers = self._space.readers
        if isinstance(item, UnseenTrack):
            medium: Medium = "tracks"
            record: Movie | Track = item.track
            table, known = self._with_others(item.track), tables.songs()
            features = read_song_parts(table, self._encode).features()[:1]
            about = song_rows({name: column[:1] for name, column in table.items()}, known.rows)
            described = readers.songs.join(features, about, known, self._encode)
        else:
            medium, record = "movies", item.movie
            table, films = tabulate_movies([item.movie]), tables.films()
            features = read_film_features(table, self._encode)
            described = readers.films.join(features, film_rows(table, films.rows), films, self._encode)
        vector = self._space.place(readers.blocks(medium, described), described.sure)[0]
        return Placed(medium, record, vector, described.profiles[0], _list_unread(item))

    def _with_others(self, track: Track) -> dict[str, list[Any]]:
        """A table of a song and its artists' other songs."""
        rows = self._artists.rows(fold_artists(SEPARATOR.join(track.artists)))
        others = [other for other in self._songs(rows) if not _same(other, track)] if rows else []
        # A row of the catalogue's own may bear any id.
        return tabulate_tracks([replace(track, id=""), *others])


def _list_unread(item: UnseenItem) -> tuple[str, ...]:
    """What of an item plays no part: its popularity is a dial, which bringing an item does not turn."""
    read = _TRACK_READ if isinstance(item, UnseenTrack) else _MOVIE_READ
    return tuple(name for name in given_parts(item) if name not in read)


def _same(one: Track, other: Track) -> bool:
    return _key(one) == _key(other)


def _key(track: Track) -> tuple[str, tuple[str, ...]]:
    return track.title.casefold(), tuple(sorted(artist.casefold() for artist in track.artists))


def salt_of(manifest: Mapping[str, Any], encoder: str) -> bytes:
    """What a build salts the keys of its texts with: the hashes of its encoder's files."""
    files = sorted(name for name in manifest["files"] if name.startswith(f"{encoder}/"))
    hashes = "".join(manifest["files"][name]["sha256"] for name in files)
    return hashlib.sha256(hashes.encode()).digest()[:_KEY_BYTES]
