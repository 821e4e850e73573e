"""Songs alike in their words and in their covers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import MissingMaterial, UnsupportedQuery, VersionDamaged
from indexer.methods.arrays import read_array, read_plain
from indexer.methods.method import Floats, Material, Method, Rows
from indexer.normalisation import centre_known

Halves = npt.NDArray[np.float16]

_CARD = "lyrics-cover.json"
#: What the method looks at, by the setting that names its files.
PARTS = ("lyrics", "covers")
#: Shares no part with what was asked: below every cosine there is.
_NOTHING_SHARED = -1.0
_BLOCK_ROWS = 8192
_OF_THE_RUN = ("encoded", "reused", "seconds")


@dataclass(frozen=True)
class Part:
    """One part of the songs that have it: ``rows`` (k,) ascending, and their unit ``vectors`` (k, d) float16."""

    rows: Rows
    vectors: Halves


class LyricsCover(Method):
    """Songs to songs by the cosine of lyrics and album cover together.

    Source: the published "Lyrics + cover recommender", which joins a BERT embedding of the lyrics and a ResNet-50
    embedding of the cover and ranks by cosine. Each part is centred on its mean and brought to unit length first,
    so that the wider one does not outweigh the other and the direction that all songs share does not count.

    A song with one part of the two is compared by that alone; where two songs share no part the score is −1, the
    lowest. A song with neither cannot be asked for.
    """

    name: ClassVar[str] = "lyrics-cover"
    about: ClassVar[str] = (
        "Songs whose lyrics (BERT) and album covers (ResNet-50) are alike; songs to songs only."
    )

    def __init__(self, parts: Mapping[str, Part], items: int, facts: Mapping[str, Any]) -> None:
        self._parts = parts
        self._items = items
        self._facts = facts
        #: Per part, each song's place in its vectors, −1 without one.
        self._places: dict[str, Rows] = {}
        for name, part in parts.items():
            self._places[name] = np.full(items, -1, dtype=np.int64)
            self._places[name][part.rows] = np.arange(len(part.rows))
        #: Parts that each song has.
        self._counts: Rows = sum(
            ((places >= 0).astype(np.int64) for places in self._places.values()), np.zeros(items, np.int64)
        )

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Read ``lyrics`` (a folder or a table) and ``covers`` (a folder of pictures), whichever are given.

        Raises ``MissingMaterial`` where neither is, or none is of a song in the catalogue; ``UnreadableFile`` and
        ``MissingModel`` where what was given cannot be read.
        """
        given = [name for name in PARTS if name in material.files]
        if not given:
            raise MissingMaterial(
                "lyrics-cover needs songs' lyrics or album covers: set lyrics, covers or both"
            )
        items = len(material.catalogue.tracks)
        parts = {name: Part(np.zeros(0, np.int64), np.zeros((0, 0), np.float16)) for name in PARTS}
        facts: dict[str, Any] = {"songs": items}
        for name in given:
            rows, vectors, said = {"lyrics": _read_lyrics, "covers": _read_covers}[name](material)
            parts[name] = _centre(rows, vectors)
            facts[name] = said
        method = cls(parts, items, facts)
        if not method.known.any():
            raise MissingMaterial(
                f"lyrics-cover: none of the files in {' and '.join(given)} is of a song in the catalogue"
            )
        facts["both"] = int((method._counts == len(PARTS)).sum())
        facts["neither"] = int((method._counts == 0).sum())
        return method

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which songs can be asked for, (songs,) bool: those with lyrics, a cover or both."""
        return self._counts > 0

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Cosines, (rows, songs) float32 in [−1, 1]; −1 where nothing can be compared.

        Raises ``UnsupportedQuery`` for films, and for a song that has neither lyrics nor a cover.
        """
        if (source, target) != ("tracks", "tracks"):
            raise UnsupportedQuery(
                f"lyrics-cover goes from songs to songs, not from {source} to {target}",
                "target" if source == "tracks" else source,
            )
        unknown = np.flatnonzero(self._counts[rows] == 0)
        if len(unknown):
            which = "this song" if len(rows) == 1 else f"song {unknown[0] + 1} of the {len(rows)} asked for"
            raise UnsupportedQuery(
                f"lyrics-cover knows neither lyrics nor a cover of {which} in this version", "tracks"
            )
        summed = np.zeros((len(rows), self._items), dtype=np.float32)
        shared = np.zeros((len(rows), self._items), dtype=np.bool_)
        for name, part in self._parts.items():
            asked = np.flatnonzero(self._places[name][rows] >= 0)
            queries = part.vectors[self._places[name][rows[asked]]].astype(np.float32)
            for start in range(0, len(part.rows) if len(asked) else 0, _BLOCK_ROWS):
                some = part.rows[start : start + _BLOCK_ROWS]
                block = part.vectors[start : start + _BLOCK_ROWS].astype(np.float32)
                summed[np.ix_(asked, some)] += queries @ block.T
                shared[np.ix_(asked, some)] = True
        # Joined unit vectors are as long as the root of the number of parts.
        lengths = np.sqrt(self._counts[rows].astype(np.float32))[:, None] * np.sqrt(
            np.maximum(self._counts, 1).astype(np.float32)
        )
        scores: Floats = np.clip(summed / lengths, -1.0, 1.0, dtype=np.float32)
        scores[~shared] = _NOTHING_SHARED
        return scores

    @property
    def facts(self) -> Mapping[str, Any]:
        """Models, what became of the files, and how many songs have which parts."""
        return self._facts

    def write(self, folder: Path) -> None:
        """Write each part's rows and (songs, d) float16 vectors, and the facts; nothing of a text."""
        folder.mkdir(parents=True, exist_ok=True)
        card = {"items": self._items, "facts": dict(self._facts)}
        (folder / _CARD).write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        for name, part in self._parts.items():
            np.save(folder / f"{name}_rows.npy", part.rows, allow_pickle=False)
            np.save(folder / f"{name}.npy", part.vectors, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map what ``write`` wrote into memory; raises ``VersionDamaged``."""
        card = read_plain(folder / _CARD)
        items, facts = card.get("items"), card.get("facts")
        if not isinstance(items, int) or not isinstance(facts, dict):
            raise VersionDamaged(f"{folder.name}/{_CARD} is not what was written")
        parts: dict[str, Part] = {}
        for name in PARTS:
            rows = read_array(folder / f"{name}_rows.npy", np.int64, 1)
            # An empty file cannot be mapped, and NumPy maps no array without numbers.
            vectors = read_array(folder / f"{name}.npy", np.float16, 2, mapped=bool(len(rows)))
            if len(rows) != len(vectors) or (len(rows) and not _ascend(rows, items)):
                raise VersionDamaged(f"{folder.name}/{name}.npy does not fit {name}_rows.npy")
            parts[name] = Part(rows, vectors)
        return cls(parts, items, facts)


def _ascend(rows: Rows, items: int) -> bool:
    return bool(rows[0] >= 0 and rows[-1] < items and np.all(np.diff(rows) > 0))


def _centre(rows: Rows, vectors: Floats) -> Part:
    """Centre on the mean of what is known; zeros (a text without words) are left out."""
    order = np.argsort(rows, kind="stable")
    rows, vectors = rows[order], vectors[order]
    # One song, or all alike: nothing is left around their mean, and they are compared as they are.
    centred = centre_known(vectors)
    if len(vectors) and not centred.any():
        centred = vectors
    there = np.any(centred != 0, axis=1)
    return Part(rows[there].astype(np.int64), centred[there].astype(np.float16))


def _read_lyrics(material: Material) -> tuple[Rows, Floats, dict[str, Any]]:
    from indexer.features.long_text import embed_texts
    from indexer.features.long_text_files import find_texts
    from indexer.features.long_text_model import choose_reader

    found = find_texts(material.files["lyrics"], "tracks", material.catalogue.tracks)
    reader = choose_reader(material.options.get("lyrics_model"), material.encoder)
    embedded = embed_texts(
        found.texts(),
        len(found),
        reader,
        material.cache,
        lambda done, total: material.tell("lyrics", done, total),
    )
    said = {"model": reader.name, "dimension": reader.dimension, **found.counts}
    return np.array(found.rows, dtype=np.int64), embedded.vectors, said


def _read_covers(material: Material) -> tuple[Rows, Floats, dict[str, Any]]:
    from indexer.features.pictures import read_covers

    tracks, folder = material.catalogue.tracks, material.files["covers"]
    found = read_covers(tracks, folder, material.options, material.cache, material.tell)
    # Without what depends on the run: the same material gives the same bytes.
    said = {name: fact for name, fact in found.facts.items() if name not in _OF_THE_RUN}
    return found.rows, found.vectors, said
