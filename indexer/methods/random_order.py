"""The floor of chance: every query has its own shuffled list, the same each time it is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self, get_args

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged
from indexer.methods.arrays import read_plain
from indexer.methods.method import Floats, Material, Method, Rows

Words = npt.NDArray[np.uint64]

_FILE = "random.json"
_MEDIA: tuple[Medium, ...] = get_args(Medium)
#: SplitMix64's step, 2⁶⁴ over the golden ratio, and the two factors of its finaliser.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_FACTOR = np.uint64(0x94D049BB133111EB)


class RandomOrder(Method):
    """A score in [0, 1) drawn from (seed, direction, source row, item) by a hash, so that none is stored.

    The hash is SplitMix64 (Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators").
    """

    name: ClassVar[str] = "random"
    about: ClassVar[str] = "A shuffled list of its own for every query; the floor of chance."

    def __init__(self, seed: int, counts: Mapping[Medium, int]) -> None:
        self._seed = seed
        self._counts = counts

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Note the seed and how many items there are."""
        catalogue = material.catalogue
        return cls(material.seed, {"movies": len(catalogue.movies), "tracks": len(catalogue.tracks)})

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Score every item by chance, (rows, items) float32 in [0, 1) in steps of 2⁻²⁴."""
        direction = np.uint64(len(_MEDIA) * _MEDIA.index(source) + _MEDIA.index(target) + 1)
        seed = np.array([self._seed & (2**64 - 1)], dtype=np.uint64)
        start = _mix(_mix(seed + _STEP) + direction * np.ones(1, dtype=np.uint64))
        states = _mix(start + _STEP * np.asarray(rows).astype(np.uint64))
        steps = _STEP * np.arange(1, self._counts[target] + 1, dtype=np.uint64)
        scores = np.empty((len(rows), self._counts[target]), dtype=np.float32)
        for at in range(len(rows)):
            # 24 bits are what float32 holds exactly.
            scores[at] = (_mix(states[at : at + 1] + steps) >> np.uint64(40)).astype(np.float32)
        scores *= np.float32(2.0**-24)
        return scores

    def write(self, folder: Path) -> None:
        """Write the seed and the counts."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"seed": self._seed, "counts": dict(self._counts)}, sort_keys=True)
        (folder / _FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        plain = read_plain(folder / _FILE)
        try:
            return cls(int(plain["seed"]), {medium: int(plain["counts"][medium]) for medium in _MEDIA})
        except (ValueError, KeyError, TypeError) as error:
            raise VersionDamaged(f"{folder.name}/{_FILE} cannot be read: {error}") from error


def _mix(words: Words) -> Words:
    """SplitMix64's finaliser on an array (arrays wrap at 2⁶⁴ without a warning, scalars do not)."""
    words = (words ^ (words >> np.uint64(30))) * _FIRST_FACTOR
    words = (words ^ (words >> np.uint64(27))) * _SECOND_FACTOR
    return words ^ (words >> np.uint64(31))
