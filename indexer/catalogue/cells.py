"""Text cells turned into typed columns: odd cells are marked here, and judged by the cleaning rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from indexer.catalogue.records import SEPARATOR

Mask = np.ndarray

#: White space other than single spaces: ``str.isspace`` written out, for few cells have any and RE2 finds them fast.
_ODD_SPACE = "  |[\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"

_NO_VALUE = frozenset({"", "(no genres listed)"})
_FLAGS = {"true": 1.0, "1": 1.0, "1.0": 1.0, "false": 0.0, "0": 0.0, "0.0": 0.0}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number can be, both ends included.

    ``above`` excludes ``low`` itself; ``zero_unknown``: the source writes 0 for unknown;
    ``whole``: no fraction.
    """

    low: float = 0.0
    high: float = float("inf")
    above: bool = False
    zero_unknown: bool = False
    whole: bool = False


def text_cells(cells: pd.Series[str]) -> pd.Series[str]:
    """Trim, collapse white space and line breaks; str with NA for nothing. "None" and "nan" are text."""
    odd = cells.str.contains(_ODD_SPACE, regex=True).to_numpy(dtype=bool)
    text = cells.str.strip()
    if odd.any():
        text = text.copy()
        text.loc[odd] = np.array([" ".join(cell.split()) for cell in cells[odd]], dtype=object)
    return text.mask(text == "")


def id_cells(cells: pd.Series[str]) -> pd.Series[str]:
    """Ids as text: "19995.0" becomes "19995"; NA where empty, or where ``SEPARATOR`` would tear it apart."""
    ids = cells.str.strip().str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
    return ids.mask((ids == "") | ids.str.contains(SEPARATOR, regex=False))


def many_cells(cells: pd.Series[str], separator: str, *, or_bar: bool = False) -> pd.Series[str]:
    """Split at ``separator``, trim, keep each part once, join with ``SEPARATOR``; "" for none.

    ``SEPARATOR`` inside a part (the artist M|O|O|N) becomes "/", as it would tear the part apart; with ``or_bar``
    it separates, and a cell that has it is split nowhere else.
    """
    return _map_distinct(
        cells, lambda cell: _split(cell, SEPARATOR if or_bar and SEPARATOR in cell else separator)
    )


def flag_cells(cells: pd.Series[str]) -> tuple[pd.Series[float], Mask]:
    """1.0, 0.0 or NaN, and a mask of the cells that are neither true, false nor empty."""
    text = cells.str.strip().str.lower()
    values = text.map(_FLAGS).astype(np.float64)
    return values, (values.isna() & (text != "")).to_numpy(dtype=bool)


def number_cells(cells: pd.Series[str]) -> tuple[pd.Series[float], Mask]:
    """float64 with NaN for nothing (±inf is kept), and a mask of the cells that are no number.

    A cell that says "nan" is a number that is impossible, not a wrong type: see ``impossible``.
    """
    text = cells.str.strip()
    values = pd.Series(
        pd.to_numeric(text.astype(object), errors="coerce"), index=cells.index, dtype=np.float64
    )
    wrong = values.isna() & (text != "") & (text.str.lower() != "nan")
    return values, wrong.to_numpy(dtype=bool)


def year_cells(cells: pd.Series[str]) -> tuple[pd.Series[float], Mask]:
    """The year of "YYYY", "YYYY.0", "YYYY-MM-DD" or "YYYYs" (float64), and a mask of all other cells."""
    text = cells.str.strip()
    year = text.str.extract(r"^(\d{4})(?:\.0+|s|-\d{1,2}(?:-\d{1,2}(?:[T ].*)?)?)?$", expand=False)
    values = pd.Series(
        pd.to_numeric(year.astype(object), errors="coerce"), index=cells.index, dtype=np.float64
    )
    return values, (values.isna() & (text != "")).to_numpy(dtype=bool)


def impossible(values: pd.Series[float], cells: pd.Series[str], bounds: Bounds) -> Mask:
    """Mask of numbers outside ``bounds``, not finite, or not whole where they must be."""
    number = values.to_numpy(dtype=np.float64)
    below = number <= bounds.low if bounds.above else number < bounds.low
    mask = below | (number > bounds.high) | np.isinf(number)
    if bounds.whole:
        mask |= ~np.isnan(number) & (number != np.trunc(number))
    mask |= np.isnan(number) & (cells.str.strip().str.lower() == "nan").to_numpy(dtype=bool)
    return np.asarray(mask, dtype=bool)


def _split(cell: str, separator: str) -> str:
    parts = (" ".join(part.split()) for part in cell.split(separator))
    kept = dict.fromkeys(part.replace(SEPARATOR, "/") for part in parts if part.lower() not in _NO_VALUE)
    return SEPARATOR.join(kept)


def _map_distinct(cells: pd.Series[str], change: Callable[[str], str]) -> pd.Series[str]:
    codes, distinct = pd.factorize(cells)
    changed = np.array([change(str(cell)) for cell in distinct], dtype=object)
    return pd.Series(changed[codes] if len(changed) else [], index=cells.index, dtype="str")
