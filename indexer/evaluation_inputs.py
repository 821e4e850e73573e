"""What an evaluation works on: the files it is given, the items of a version, and the scores that Segue gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import index_version as versions
from indexer import relevance
from indexer.catalogue.records import Medium, Movie, Track, other_medium
from indexer.evaluate import Gallery
from indexer.index_version import IndexVersion

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

SEGUE = "segue"


@dataclass(frozen=True)
class EvaluationFiles:
    """What to evaluate on: known pairs, and people's labels where there are any."""

    pairs: Path
    movie_tags: Path | None = None
    emotion_words: Path | None = None
    song_emotions: Path | None = None


class SegueMethod:
    """Segue's own search as a scorer: inner products in the version's space.

    All vectors of both media are held in memory: float32, some 200 MB for 100,000 items.
    """

    name = SEGUE
    about = "This version's own search: the shared space."

    def __init__(self, version: IndexVersion) -> None:
        self._version = version
        self._items: dict[Medium, Floats] = {
            medium: index.vectors(range(index.size)) for medium, index in version.indexes.items()
        }
        self._scorer = relevance.Scorer(version.space, self._items)

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Raw scores, (rows, items) float32, each input taken singly."""
        return self._scorer.scores(source, rows, target)

    def score_texts(self, texts: Sequence[str], target: Medium) -> Floats:
        """Raw scores of free texts, (texts, items) float32."""
        space, encoder = self._version.space, self._version.encoder
        read = space.readers.text.understand
        asked = np.stack([space.text_query(read(text, encoder.encode)) for text in texts])
        scores: Floats = asked @ self._items[target].T
        return scores

    def probability(self, target: Medium) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
        """Raw scores to match scores in [0, 1] among the items of ``target``."""
        return self._version.space.curve_for(other_medium(target), target).apply


class Contents:
    """The items of a version, read once."""

    def __init__(self, version: IndexVersion) -> None:
        self.version = version

    @cached_property
    def items(self) -> dict[Medium, Sequence[Movie | Track]]:
        store = self.version.store
        return {
            "movies": store.movies(range(store.count("movies"))),
            "tracks": store.tracks(range(store.count("tracks"))),
        }

    @cached_property
    def rows(self) -> dict[Medium, dict[str, int]]:
        """Row by id, and by the other ids of the same song."""
        found: dict[Medium, dict[str, int]] = {}
        for medium, items in self.items.items():
            found[medium] = {item.id: row for row, item in enumerate(items)}
            for row, item in enumerate(items):
                for other in item.other_ids if isinstance(item, Track) else ():
                    found[medium].setdefault(other, row)
        return found

    @cached_property
    def galleries(self) -> dict[Medium, Gallery]:
        """Votes or popularity; diversity by what the items are about, the meaning block of their vectors."""
        block = self.version.space.block("meaning")
        found: dict[Medium, Gallery] = {}
        for medium, items in self.items.items():
            fame = [item.votes if isinstance(item, Movie) else item.popularity for item in items]
            index = self.version.indexes[medium]
            texts = index.vectors(range(index.size))[:, block.start : block.stop].copy()
            found[medium] = Gallery(np.array(fame, dtype=np.float64), texts)
        return found

    @cached_property
    def sources(self) -> Set[str]:
        """SHA-256 of the files that the version was built from."""
        return {source["sha256"] for source in self.version.manifest.get("sources", [])}

    def warn_of(self, path: Path) -> list[str]:
        """A remark where the version was built from this very file."""
        if versions.hash_file(path) not in self.sources:
            return []
        return [f"WARNING: {path.name} is one of the files that this version was built from"]
