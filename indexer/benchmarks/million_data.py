"""A catalogue of a million films and songs, made up of a real version's: tables, vectors, moods and texts.

Every item is a real one over again. A copy has an id of its own, a title and artists in which words of other items
stand, an overview of two halves, and its vector a little off. So sizes, lengths and numbers of words are those of real
catalogues; what is near to what is not, for the nearest of an item are its own copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer import index_version as versions
from indexer.benchmarks.made_films import MadeFilms
from indexer.catalogue.records import MOVIE_COLUMNS, TRACK_COLUMNS, Medium
from indexer.features.columns import tabulate_movies, tabulate_tracks
from indexer.index_version import IndexVersion
from indexer.soundtracks import Soundtracks

Floats = npt.NDArray[np.float32]

#: Numbers of the catalogue's tables are float64, truths too.
_NUMBERS = ("int", "float", "bool")
_COLUMNS: Mapping[Medium, Mapping[str, str]] = {"movies": MOVIE_COLUMNS, "tracks": TRACK_COLUMNS}
#: Columns whose words are exchanged, and how: a word of a copy's title, the second half of its overview.
_MIXED = ("title", "original_title", "artists")
_SPLICED = "overview"
#: Ids of others, which no two items may share.
_DROPPED = ("imdb_id", "other_ids")
_STEP = 7_919
_BLOCK = 65_536


@dataclass(frozen=True)
class MadeSizes:
    """How many items of each medium are wanted, and the noise of a copy's vector (see ``MadeFilms``)."""

    movies: int
    tracks: int
    noise: float
    seed: int

    def of(self, medium: Medium) -> int:
        """Items of one medium."""
        return self.movies if medium == "movies" else self.tracks


def make_table(version: IndexVersion, medium: Medium, rows: int) -> pd.DataFrame:
    """A catalogue's table of so many items, in the types that ``read_catalogue`` gives."""
    count = version.store.count(medium)
    if medium == "movies":
        real = tabulate_movies(version.store.movies(range(count)))
    else:
        real = tabulate_tracks(version.store.tracks(range(count)))
    picked = np.arange(rows) % count
    columns = {name: _make_column(name, kind, real[name], picked) for name, kind in _COLUMNS[medium].items()}
    return pd.DataFrame(columns)


def _make_column(name: str, kind: str, real: list[Any], picked: npt.NDArray[np.int64]) -> Any:
    count = len(real)
    if kind in _NUMBERS:
        numbers = np.array([np.nan if cell is None else float(cell) for cell in real])
        return numbers[picked]
    if name in _DROPPED:
        return pd.Series([None] * len(picked), dtype="str")
    cells = np.array(real, dtype=object)[picked]
    if name == "id":
        cells[count:] = [f"{cell}-{place // count}" for place, cell in enumerate(cells[count:], count)]
    elif name in _MIXED or name == _SPLICED:
        change = _splice if name == _SPLICED else _exchange_word
        for place in range(count, len(cells)):
            if cells[place]:
                other = real[(place + _STEP * (place // count)) % count]
                cells[place] = change(cells[place], other or cells[place], place)
    return pd.Series(cells, dtype="str")


def _exchange_word(text: str, other: str, place: int) -> str:
    words, others = text.split(" "), other.split(" ")
    word = others[place % len(others)]
    if len(words) == 1:
        return f"{text} {word}"
    words[place % len(words)] = word
    return " ".join(words)


def _splice(text: str, other: str, place: int) -> str:
    words, others = text.split(" "), other.split(" ")
    cut = 1 + place % len(words)
    return " ".join(words[:cut] + others[min(cut, len(others) - 1) :])


def vectors_file(scratch: Path, medium: Medium) -> Path:
    """Where the made vectors of a medium lie meanwhile."""
    return scratch / f"{medium}.vectors.npy"


def write_vectors(version: IndexVersion, sizes: MadeSizes, scratch: Path) -> dict[str, Any]:
    """Write the vectors of both media: float32 (n, dimension), as a build has them in memory."""
    written = {}
    for medium, index in version.indexes.items():
        real = np.concatenate([index.vectors(rows) for rows in _blocks(index.size)])
        made = MadeFilms(real, sizes.of(medium), sizes.noise, sizes.seed)
        array = np.lib.format.open_memmap(
            vectors_file(scratch, medium), "w+", np.float32, (made.rows, index.dimension)
        )
        for start, vectors in made.chunks():
            array[start : start + len(vectors)] = vectors
        array.flush()
        written[f"{medium}_bytes"] = int(array.nbytes)
        del array
    return written


def read_vectors(scratch: Path, medium: Medium, mapped: bool = False) -> Floats:
    """The made vectors, in memory unless ``mapped``."""
    vectors: Floats = np.load(vectors_file(scratch, medium), mmap_mode="r" if mapped else None)
    return vectors


def write_moods(version: IndexVersion, sizes: MadeSizes, folder: Path) -> None:
    """Write the moods of every item, a copy's a little off, their words, and groups of one each."""
    random = np.random.default_rng(sizes.seed)
    for medium, moods in version.moods.items():
        made = np.resize(moods, (sizes.of(medium), 2)).astype(np.float32)
        made += random.normal(0.0, 0.02, made.shape).astype(np.float32)
        np.save(folder / versions.mood_file(medium), np.clip(made, 0, 1), allow_pickle=False)
        words = version.words[medium]
        made_words = np.resize(words, (sizes.of(medium), words.shape[1]))
        np.save(folder / versions.words_file(medium), made_words, allow_pickle=False)
        rows = np.arange(sizes.of(medium), dtype=np.int32)
        groups = np.stack([rows, np.full(len(rows), -1, dtype=np.int32)], axis=1)
        np.save(folder / versions.groups_file(medium), groups, allow_pickle=False)


def write_pairs(version: IndexVersion, sizes: MadeSizes, folder: Path) -> None:
    """Write the known pairs of the real items, which are the first of the made ones; those beyond them are left out."""
    facts = version.soundtracks.facts
    there = (facts[:, 0] < sizes.movies) & (facts[:, 1] < sizes.tracks)
    Soundtracks(facts[there]).write(folder)


def write_texts(version: IndexVersion, sizes: MadeSizes, folder: Path) -> dict[str, Any]:
    """Write embeddings of as many texts an item as the real version has, under made-up keys."""
    keys, rows = versions.load_embeddings(version.folder)
    items = sum(index.size for index in version.indexes.values())
    count = round(len(keys) / items * (sizes.movies + sizes.tracks))
    random = np.random.default_rng(sizes.seed)
    made = np.frombuffer(random.bytes(16 * count), dtype="S16")
    ordered = np.sort(made).view(np.uint8).reshape(count, 16)
    np.save(folder / versions.TEXT_KEYS, ordered, allow_pickle=False)
    texts = np.lib.format.open_memmap(folder / versions.TEXTS, "w+", np.float16, (count, rows.shape[1]))
    for block in _blocks(count):
        texts[block] = rows[block % len(rows)]
    texts.flush()
    return {"texts": count}


def _blocks(size: int) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, size, _BLOCK):
        yield np.arange(start, min(start + _BLOCK, size))
