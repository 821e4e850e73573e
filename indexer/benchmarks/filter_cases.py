"""Filters of a wanted selectivity, made of conditions that really hold for rows of a version."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.errors import ConfigError
from indexer.filter_columns import FilterColumns, Filters

Mask = npt.NDArray[np.bool_]

#: Shares of rows that pass; 1.0 is no filter at all.
SHARES = (1.0, 0.5, 0.1, 0.02, 0.01, 0.001)
#: A case may pass this much more or less than the wanted share; the real share is always told.
_TOLERANCE = 1.35
#: Values of each kind that are combined: the commonest ones, and a few rare ones of each.
_MOST_VALUES = 60


@dataclass(frozen=True)
class FilterCase:
    """One filter; ``share`` of all rows, ``rows`` of them, pass; ``wanted`` was asked for."""

    wanted: float
    filters: Filters
    rows: int
    share: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, conditions that ask for nothing left out."""
        return {
            "wanted": self.wanted,
            "rows": self.rows,
            "share": self.share,
            "filters": plain(self.filters),
        }


def plain(filters: Filters) -> dict[str, Any]:
    """The conditions that ask for something, by name."""
    return {name: value for name, value in asdict(filters).items() if value is not None and value != ()}


def describe(filters: Filters) -> str:
    """The conditions in words: "Drama or Comedy, 1990–1999, en"."""
    parts = []
    if filters.genres:
        parts.append(" or ".join(filters.genres))
    if filters.year_min is not None or filters.year_max is not None:
        parts.append(f"{filters.year_min or ''}–{filters.year_max or ''}")
    if filters.language:
        parts.append(" or ".join(filters.language))
    if filters.explicit is not None:
        parts.append("explicit" if filters.explicit else "not explicit")
    return ", ".join(parts) or "no filter"


def find_cases(
    columns: FilterColumns, shares: tuple[float, ...], count: int, seed: int, size: int | None = None
) -> list[FilterCase]:
    """Find ``count`` filters for every share below 1, and the one that filters nothing for 1.

    Combinations come first: a filter of two or three conditions is preferred to one of a single condition.
    ``size``: only the first rows count. Where no filter comes near a share, the nearest ones stand for it.
    ConfigError where none passes any row.
    """
    size = columns.size if size is None else size
    random = np.random.default_rng(seed)
    known = list(_candidates(columns, size)) if min(shares) < 1 else []
    counts = np.array([candidate.rows for candidate in known])
    cases = []
    for wanted in shares:
        if wanted >= 1:
            cases.append(FilterCase(wanted, Filters(), size, 1.0))
            continue
        if not counts.any():
            raise ConfigError(f"no filter on {columns.medium} passes any of {size} rows")
        off = np.abs(np.log(np.maximum(counts, 1e-9) / size / wanted))
        near = np.flatnonzero(off <= math.log(_TOLERANCE))
        if not len(near):
            near = np.argsort(off, kind="stable")[:count]
        drawn = [known[place] for place in random.permutation(near).tolist()]
        # The most conditions first; among equals the order is drawn.
        chosen = sorted(drawn, key=lambda candidate: -candidate.conditions)[: count - count // 3]
        chosen += [candidate for candidate in drawn if candidate not in chosen][: count - len(chosen)]
        cases += [FilterCase(wanted, c.filters, c.rows, c.rows / size) for c in chosen]
    return cases


class _Candidate(NamedTuple):
    """Two filters that hold together, and the rows that pass both."""

    one: Filters
    other: Filters
    rows: int
    conditions: int

    @property
    def filters(self) -> Filters:
        return _both(self.one, self.other)


def _candidates(columns: FilterColumns, size: int) -> Iterator[_Candidate]:
    """Single conditions, pairs and triples with the number of rows that pass them."""
    genres = _masks(columns, size, _genre_filters(columns))
    years = _masks(columns, size, _year_filters(columns))
    third: list[Filters] = []
    if columns.languages:
        third = [Filters(language=(name,)) for name in list(columns.facets().languages)[:8]]
    elif columns.medium == "tracks":
        third = [Filters(explicit=value) for value in (True, False)]
    others = _masks(columns, size, third)
    for filters, mask in (*genres, *years, *others):
        yield _Candidate(filters, Filters(), int(mask.sum()), 1)
    for first, second in ((genres, years), (genres, others), (years, others)):
        yield from _pairs(first, second, 2)
    for other, mask in others:
        yield from _pairs([(_both(filters, other), held & mask) for filters, held in genres], years, 3)


def _pairs(
    first: list[tuple[Filters, Mask]], second: list[tuple[Filters, Mask]], conditions: int
) -> Iterator[_Candidate]:
    if not first or not second:
        return
    # Counts below 2**24 are exact in float32, and its product is fast.
    left = np.stack([mask for _, mask in first]).astype(np.float32)
    right = np.stack([mask for _, mask in second]).astype(np.float32)
    counts = (left @ right.T).astype(np.int64)
    for i, j in np.argwhere(counts).tolist():
        yield _Candidate(first[i][0], second[j][0], int(counts[i, j]), conditions)


def _both(one: Filters, other: Filters) -> Filters:
    return replace(one, **plain(other))


def _masks(columns: FilterColumns, size: int, filters: list[Filters]) -> list[tuple[Filters, Mask]]:
    found = []
    for one in filters:
        mask = columns.mask(one)
        if mask is not None:
            found.append((one, mask[:size]))
    return found


def _genre_filters(columns: FilterColumns) -> list[Filters]:
    names = list(columns.facets().genres)
    common, rare = names[: _MOST_VALUES // 2], names[_MOST_VALUES // 2 :]
    singles = common + rare[:: max(1, len(rare) // (_MOST_VALUES // 2))]
    unions = [tuple(names[start : start + width]) for width in (2, 3, 5) for start in (0, 3)]
    return [Filters(genres=genres) for genres in dict.fromkeys([*((n,) for n in singles), *unions]) if genres]


def _year_filters(columns: FilterColumns) -> list[Filters]:
    decades = sorted(columns.facets().decades)
    ranges: list[Filters] = []
    for decade in decades:
        ranges.append(Filters(year_min=decade, year_max=decade + 9))
        ranges += [Filters(year_min=year, year_max=year + 1) for year in range(decade, decade + 10, 2)]
    for year in range(min(decades, default=0), max(decades, default=-1) + 10):
        ranges += [Filters(year_min=year), Filters(year_max=year)]
    return ranges
