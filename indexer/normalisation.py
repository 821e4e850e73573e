"""The one normaliser of rows. An all-zero row means "unknown" and stays all zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def unit(rows: npt.NDArray[np.floating[Any]]) -> Floats:
    """Rows (n, d) at length 1, float32; zero rows are left zero."""
    rows = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12)
    return scaled


def centre_known(rows: Floats) -> Floats:
    """Unit rows (n, d) around the mean of the rows that are known; unknown rows stay zeros."""
    known = np.any(rows != 0, axis=1)
    centred = np.zeros(rows.shape, dtype=np.float32)
    if known.any():
        centred[known] = rows[known] - rows[known].mean(axis=0, dtype=np.float64).astype(np.float32)
    return unit(centred)
