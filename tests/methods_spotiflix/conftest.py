"""Made-up songs, films and feature files whose answers can be stated by hand."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from indexer.catalogue.catalogue import Catalogue
from indexer.catalogue.records import MOVIE_COLUMNS, TRACK_COLUMNS
from indexer.catalogue.report import CleaningReport
from indexer.methods.audio_table import FEATURES
from indexer.methods.method import Material

Row = Mapping[str, Any]


def _table(columns: Mapping[str, str], prefix: str, rows: Sequence[Row]) -> pd.DataFrame:
    absent = {"text": None, "many": ""}
    full = [
        {name: absent.get(kind, float("nan")) for name, kind in columns.items()}
        | {"id": f"{prefix}{at}", "title": f"Title {at}"}
        | dict(row)
        for at, row in enumerate(rows)
    ]
    table = pd.DataFrame(full)
    kinds = {name: "str" if kind in absent else "float64" for name, kind in columns.items()}
    return table.astype(kinds)


@pytest.fixture
def song() -> Callable[..., dict[str, float]]:
    """The seven features of a song: ``level`` each, but for those that are named."""
    return lambda level=0.1, **named: dict.fromkeys(FEATURES, level) | named


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[[str, Sequence[Row]], Path]:
    """Write rows as a CSV file with the first row's columns."""

    def write(name: str, rows: Sequence[Row]) -> Path:
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
        return path

    return write


@pytest.fixture
def make_material() -> Callable[..., Material]:
    """Material of rows that say only what matters, and the files given."""

    def make(
        movies: Sequence[Row], tracks: Sequence[Row], files: Mapping[str, Path], seed: int = 0
    ) -> Material:
        catalogue = Catalogue(
            _table(MOVIE_COLUMNS, "m", movies),
            _table(TRACK_COLUMNS, "t", tracks),
            pd.DataFrame({"tmdb_id": [], "track_id": []}, dtype="str"),
            CleaningReport("default", {}),
        )

        def refuse(texts: Sequence[str]) -> Any:
            raise AssertionError(f"these methods encode no text, but were about to encode {len(texts)}")

        return Material(catalogue, {}, refuse, files, seed)

    return make
