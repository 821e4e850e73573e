"""Films made up of real ones, as many as are wanted, and recall against an exact scan of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from indexer.benchmarks.workload import DEPTH, is_as_good

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_CHUNK = 16_384


class Chunked(Protocol):
    """Vectors that come part by part: each with the row that it begins at."""

    def chunks(self) -> Iterator[tuple[int, Floats]]: ...


@dataclass(frozen=True)
class MadeFilms:
    """``rows`` film vectors: those of ``real`` (n, d) over and over; with ``noise``, every copy is a little off."""

    real: Floats
    rows: int
    noise: float
    seed: int

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """Parts of the vectors with the row they begin at; the same ones every time."""
        deviation = self.real.std(axis=0) * np.float32(self.noise)
        for start in range(0, self.rows, _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, self.rows)) % len(self.real)
            vectors = self.real[rows]
            if self.noise:
                random = np.random.default_rng((self.seed, start))
                vectors += random.standard_normal(vectors.shape, np.float32) * deviation
            yield start, vectors

    def all(self) -> Floats:
        """All of them in memory: (rows, d) float32."""
        made = np.empty((self.rows, self.real.shape[1]), np.float32)
        for start, vectors in self.chunks():
            made[start : start + len(vectors)] = vectors
        return made


@dataclass(frozen=True)
class HeldFilms:
    """Vectors (n, d) that are there already, in memory or mapped, part by part."""

    vectors: Floats

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """Parts of the vectors with the row they begin at."""
        for start in range(0, len(self.vectors), _CHUNK):
            yield start, np.asarray(self.vectors[start : start + _CHUNK])


def take_recall(
    films: Chunked,
    queries: Floats,
    masks: list[Mask | None],
    turns: list[tuple[int, int]],
    found: list[list[int]],
) -> list[float]:
    """Recall of every turn (query, mask) against a scan of all vectors, part by part."""
    best = [np.empty(0, np.float32) for _ in turns]
    scores_found: list[list[float]] = [[] for _ in turns]
    for start, vectors in films.chunks():
        scores = vectors @ queries.T
        stop = start + len(vectors)
        for turn, (query, number) in enumerate(turns):
            mask = masks[number]
            column = scores[:, query]
            passing = column if mask is None else column[mask[start:stop]]
            if len(passing) > DEPTH:
                passing = np.partition(passing, len(passing) - DEPTH)[-DEPTH:]
            best[turn] = np.sort(np.concatenate((best[turn], passing)))[-DEPTH:]
            inside = [row - start for row in set(found[turn]) if start <= row < stop]
            scores_found[turn] += [float(column[row]) for row in inside if mask is None or mask[start + row]]
    return [
        min(sum(is_as_good(score, float(top[0])) for score in scores), len(top)) / len(top)
        if len(top)
        else 1.0
        for top, scores in zip(best, scores_found, strict=True)
    ]
