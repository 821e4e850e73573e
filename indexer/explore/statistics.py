"""Descriptive statistics and associations of columns, each over the rows where all that it needs is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.metrics import Interval, interval

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Plain = dict[str, Any]

#: Nothing is told or drawn from fewer values.
LEAST_VALUES = 3
_SIGNIFICANT = 6


def missing(reason: str) -> Plain:
    """What stands in the place of facts that cannot be told."""
    return {"missing": reason}


def describe(values: Floats) -> Plain:
    """Count, unknown, mean, sd (n − 1), min, quartiles, max and skewness of ``values`` (n,), NaN unknown."""
    known = values[~np.isnan(values)]
    counts: Plain = {"known": len(known), "unknown": len(values) - len(known)}
    if len(known) < LEAST_VALUES:
        return {**counts, **missing(f"fewer than {LEAST_VALUES} values")}
    spread = known - known.mean()
    deviation = float(np.sqrt(np.mean(spread**2)))
    low, median, high = np.percentile(known, (25.0, 50.0, 75.0))
    return {
        **counts,
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)),
        "min": float(known.min()),
        "quartile_1": float(low),
        "median": float(median),
        "quartile_3": float(high),
        "max": float(known.max()),
        "skewness": float(np.mean(spread**3)) / deviation**3 if deviation > 0 else 0.0,
    }


def histogram(values: Floats, bins: int, low: float, high: float) -> Plain:
    """Counts in ``bins`` bins of equal width, and a density curve over the same range.

    ``values`` (n,), NaN unknown; those outside the range are counted as ``outside``. The curve is a Gaussian
    kernel estimate with Scott's bandwidth (Scott 1992), per unit of the axis; None where all values are alike.
    """
    known = values[~np.isnan(values)]
    if len(known) < LEAST_VALUES:
        return missing(f"fewer than {LEAST_VALUES} values")
    counts, edges = np.histogram(known, bins=bins, range=(low, high))
    curve = None
    if np.ptp(known) > 0:
        from scipy.stats import gaussian_kde

        grid = np.linspace(low, high, 201)
        curve = {"x": grid.tolist(), "density": gaussian_kde(known)(grid).tolist()}
    return {
        "values": len(known),
        "outside": len(known) - int(counts.sum()),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "curve": curve,
    }


def pearson(x: Floats, y: Floats) -> float | None:
    """Pearson's r over the rows (n,) where both are known; None from fewer than 3 or where one is constant."""
    x, y = both_known(x, y)
    if len(x) < LEAST_VALUES:
        return None
    a, b = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / scale, -1.0, 1.0)) if scale > 0 else None


def spearman(x: Floats, y: Floats) -> float | None:
    """Spearman's rank correlation, ties sharing their mean rank; None as in ``pearson``."""
    x, y = both_known(x, y)
    return pearson(_rank(x), _rank(y))


def both_known(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The rows of both columns (n,) where neither is NaN."""
    known = ~(np.isnan(x) | np.isnan(y))
    return x[known], y[known]


def _rank(values: Floats) -> Floats:
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2.0)[place]


def correlation_interval(x: Floats, y: Floats, draws: int, seed: int) -> Interval | None:
    """Pearson's r with a 95 % percentile interval from ``draws`` bootstrap samples of rows; None as in ``pearson``.

    Money and votes are far from normal, which Fisher's formula would need.
    """
    x, y = both_known(x, y)
    value = pearson(x, y)
    if value is None:
        return None
    # Centred and scaled once, so that the sums of a sample lose no digits.
    a, b = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    columns = np.stack([np.ones(len(a)), a, b, a * a, b * b, a * b])
    rng = np.random.default_rng(seed)
    drawn = np.empty(draws)
    for draw in range(draws):
        times = np.bincount(rng.integers(0, len(a), len(a), dtype=np.int32), minlength=len(a))
        drawn[draw] = _weighted_r(columns @ times)
    return interval(value, drawn[~np.isnan(drawn)]) if not np.isnan(drawn).all() else None


def _weighted_r(sums: Floats) -> float:
    n, a, b, aa, bb, ab = sums
    scale = (aa - a * a / n) * (bb - b * b / n)
    return float((ab - a * b / n) / np.sqrt(scale)) if scale > 1e-12 else float("nan")


def correlation_matrix(columns: dict[str, Floats]) -> Plain:
    """Pearson's and Spearman's coefficients of every two columns, over the rows where both are known."""
    names = list(columns)
    # Ranks of a column serve all its pairs but those that leave some of its rows out.
    ranks = {name: _rank(values) for name, values in columns.items() if not np.isnan(values).any()}

    def by_rank(a: str, b: str) -> float | None:
        if a in ranks and b in ranks:
            return pearson(ranks[a], ranks[b])
        return spearman(columns[a], columns[b])

    return {
        "columns": names,
        "pearson": symmetric(names, lambda a, b: pearson(columns[a], columns[b])),
        "spearman": symmetric(names, by_rank),
    }


def symmetric(names: Sequence[str], measure: Callable[[str, str], float | None]) -> list[list[float | None]]:
    """A measure of every two names, each taken once; 1 of a name with itself."""
    table: list[list[float | None]] = [[1.0] * len(names) for _ in names]
    for i, first in enumerate(names):
        for j in range(i):
            table[i][j] = table[j][i] = measure(first, names[j])
    return table


def cramers_v(first: Codes, second: Codes) -> float | None:
    """Bias-corrected Cramér's V (Bergsma 2013) of two categorical columns, as codes (n,), −1 unknown.

    None from fewer than 3 rows with both, or where one column is constant over them.
    """
    known = (first >= 0) & (second >= 0)
    n = int(np.count_nonzero(known))
    if n < LEAST_VALUES:
        return None
    rows, columns = (np.unique(codes[known], return_inverse=True) for codes in (first, second))
    r, c = len(rows[0]), len(columns[0])
    if r < 2 or c < 2:
        return None
    seen = np.bincount(rows[1] * c + columns[1], minlength=r * c).reshape(r, c).astype(np.float64)
    expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / n
    phi2 = float(np.sum((seen - expected) ** 2 / expected)) / n
    phi2 = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1.0
    # Where every row is a level of its own the correction leaves nothing to measure by.
    return float(np.sqrt(min(1.0, phi2 / least))) if least > 1e-12 else None


def encode(values: Sequence[object]) -> Codes:
    """Codes (n,) of the different values in sorted order, −1 for None, NaN and empty text."""
    texts = ["" if value is None or value != value else str(value) for value in values]
    levels = {text: code for code, text in enumerate(sorted(set(texts) - {""}))}
    return np.array([levels.get(text, -1) for text in texts], dtype=np.int64)


def as_plain(figure: Interval | None) -> Plain | None:
    """An interval as a dictionary for JSON."""
    return None if figure is None else {"value": figure.value, "low": figure.low, "high": figure.high}


def round_figures(value: Any) -> Any:
    """The same nested facts with floats at six significant digits, and None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): round_figures(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [round_figures(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{_SIGNIFICANT}g}") if np.isfinite(value) else None
    return value
