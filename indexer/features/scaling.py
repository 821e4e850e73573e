"""What columns are measured against: fitted to a catalogue once, then applied to any row, seen or not."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.normalisation import unit

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]

#: Values that a scale of ranks keeps; between them it is a line.
_MOST_KNOTS = 65_536


@dataclass(frozen=True)
class Centre:
    """The mean (d,) float32 of the rows that are known."""

    mean: Floats

    @classmethod
    def fit(cls, rows: Floats) -> Centre:
        """Average the rows (n, d) that are not all zeros; zeros where none is."""
        known = np.any(rows != 0, axis=1)
        if not known.any():
            return cls(np.zeros(rows.shape[1], dtype=np.float32))
        return cls(rows[known].mean(axis=0, dtype=np.float64).astype(np.float32))

    def apply(self, rows: Floats) -> Floats:
        """Unit rows (n, d) around the mean; unknown rows stay zeros."""
        known = np.any(rows != 0, axis=1)
        moved = np.zeros(rows.shape, dtype=np.float32)
        moved[known] = rows[known] - self.mean
        return unit(moved)


@dataclass(frozen=True)
class Spread:
    """Mean and deviation (d,) float64 of columns over what is known; one of ``least`` or less says nothing."""

    mean: Floats64
    deviation: Floats64
    least: float = 1e-9

    @classmethod
    def fit(cls, columns: npt.NDArray[np.floating[Any]], least: float = 1e-9) -> Spread:
        """Measure columns (n, d), NaN unknown."""
        known = ~np.isnan(columns)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, columns, 0.0).sum(axis=0, dtype=np.float64) / count
        moved = np.where(known, columns - mean, 0.0)
        return cls(mean, np.sqrt((moved * moved).sum(axis=0, dtype=np.float64) / count), least)

    def apply(self, columns: npt.NDArray[np.floating[Any]], keep_nan: bool = False) -> Floats:
        """Columns (n, d) float32 at mean 0 and deviation 1; unknown becomes 0 unless NaN is kept."""
        known = ~np.isnan(columns)
        moved = np.where(known, columns - self.mean, 0.0)
        says = self.deviation > self.least
        spread = np.divide(moved, self.deviation, out=np.zeros(columns.shape), where=says)
        return np.asarray(np.where(known, spread, np.nan) if keep_nan else spread, dtype=np.float32)


@dataclass(frozen=True)
class Ranks:
    """A value's rank among a catalogue's, as a number: ``values`` (k,) ascending and their ``numbers`` (k,)."""

    values: Floats64
    numbers: Floats64

    @classmethod
    def fit_shares(cls, column: Floats64) -> Ranks:
        """The share (0…1] of rows up to a value, the mean rank of equal ones; ``column`` (n,), NaN unknown."""
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        last = np.cumsum(counts)
        return cls._thin(values, (last - (counts - 1) / 2.0) / max(int(counts.sum()), 1))

    @classmethod
    def fit_normal(cls, column: Floats64) -> Ranks:
        """The normal score of a value's rank; 0 for all where there are fewer than two values."""
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        if len(values) < 2:
            return cls(values, np.zeros(len(values)))
        middle = (np.cumsum(counts) - counts / 2.0) / counts.sum()
        normal = NormalDist()
        return cls._thin(values, np.array([normal.inv_cdf(share) for share in middle]))

    def apply(self, column: Floats64) -> Floats64:
        """Numbers (n,) of values (n,), those in between by a line; NaN stays NaN, also where nothing is known."""
        if not len(self.values):
            return np.full(len(column), np.nan)
        return np.where(np.isnan(column), np.nan, np.interp(column, self.values, self.numbers))

    @classmethod
    def _thin(cls, values: Floats64, numbers: Floats64) -> Ranks:
        if len(values) > _MOST_KNOTS:
            kept = np.unique(np.linspace(0, len(values) - 1, _MOST_KNOTS).round().astype(np.int64))
            values, numbers = values[kept], numbers[kept]
        return cls(values.astype(np.float64), numbers.astype(np.float64))
