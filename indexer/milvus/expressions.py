"""Filters as Milvus expressions: they pass exactly the rows that the mask of the filter columns passes.

Only column names of ours, integer codes and numbers enter an expression, never a word of the one who asks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from indexer.filter_columns import Condition

#: Stands for an unknown number, below all others: versions from 2.3 on read no NaN and know no empty value.
UNKNOWN = -1.7e308
#: Every known number is above.
_LEAST_KNOWN = -1.5e308
_YEARS = frozenset({"first_year", "last_year"})
_LATEST = 2**31
_LOWEST, _HIGHEST = -1.4e308, 1.7e308


def known_numbers(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The numbers (n,) float64 as they are stored: none of them NaN or infinite, in the same order."""
    return np.nan_to_num(values, nan=UNKNOWN, posinf=_HIGHEST, neginf=_LOWEST)


def write_expression(conditions: Sequence[Condition]) -> str:
    """All ``conditions`` as one expression; empty where there is none."""
    return " and ".join(_write(condition) for condition in conditions)


def join(*expressions: str) -> str:
    """What all of some expressions ask; empty ones ask nothing."""
    return " and ".join(f"({expression})" for expression in expressions if expression)


def _write(condition: Condition) -> str:
    column, any_of, least, most = condition
    if any_of:
        codes = ", ".join(str(int(code)) for code in any_of)
        return f"array_contains_any({column}, [{codes}])" if column == "genres" else f"{column} in [{codes}]"
    if column in _YEARS:
        # Whole numbers of 64 bits: Milvus compares them with nothing else.
        least = None if least is None else min(math.ceil(least), _LATEST)
        most = None if most is None else max(math.floor(most), -_LATEST)
    elif least is None:
        # A lower limit leaves out what is unknown; an upper one alone would not.
        least = _LEAST_KNOWN
    return " and ".join(
        f"{column} {sign} {limit!r}" for sign, limit in ((">=", least), ("<=", most)) if limit is not None
    )
