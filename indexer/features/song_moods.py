"""Valence and energy of songs as people labelled them, from the two kinds of files that a build takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer.catalogue.records import SEPARATOR
from indexer.errors import InputError, MissingColumn, UnreadableFile

Floats64 = npt.NDArray[np.float64]

#: A standard deviation of standardised labels, on a scale of 0 … 1.
_DEVIATION = 0.2
_COLUMNS = ("track_id", "valence", "arousal")


def read_song_moods(standardised: Path | None, shares: Path | None, tracks: pd.DataFrame) -> Floats64:
    """Valence and arousal (n, 2) in 0 … 1 of a catalogue's songs, NaN for those without a label; means of several.

    ``standardised``: a file of labels at mean 0 and deviation 1 (Delbouys et al. 2018); ``shares``: one of labels in
    0 … 1. Raises ``UnreadableFile``, ``MissingColumn``, or ``InputError`` for values that make no sense.
    """
    rows = rows_by_id(tracks)
    total, count = np.zeros((len(tracks), 2)), np.zeros(len(tracks))
    for path, scale, offset in ((standardised, _DEVIATION, 0.5), (shares, 1.0, 0.0)):
        if path is None:
            continue
        labels = _read(path)
        values = labels[["valence", "arousal"]].to_numpy(dtype=np.float64)
        if not np.isfinite(values).all() or (path is shares and ((values < 0) | (values > 1)).any()):
            raise InputError(
                f"{path.name}: valence and arousal must be numbers, and lie between 0 and 1 in --emotion-words"
            )
        for id, value in zip(labels["track_id"], values, strict=True):
            if id in rows:
                total[rows[id]] += np.clip(offset + scale * value, 0.0, 1.0)
                count[rows[id]] += 1
    return np.divide(total, count[:, None], out=np.full_like(total, np.nan), where=count[:, None] > 0)


def rows_by_id(tracks: pd.DataFrame) -> dict[str, int]:
    """Row of each song by its id and by its other ids."""
    rows: dict[str, int] = {}
    for row, cell in enumerate(tracks["other_ids"]):
        for other in str(cell).split(SEPARATOR) if isinstance(cell, str) else ():
            rows.setdefault(other, row)
    rows.update((str(id), row) for row, id in enumerate(tracks["id"]))
    return rows


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype={"track_id": str})
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: cannot be read ({error})") from error
    for column in _COLUMNS:
        if column not in table.columns:
            raise MissingColumn(f"{path}: there is no column {column!r}")
    for column in _COLUMNS[1:]:
        table[column] = pd.to_numeric(table[column], errors="coerce")
    return table
