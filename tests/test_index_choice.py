"""Which kind of index is chosen for so many rows and so much memory, and which settings are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.errors import ConfigError, VersionFormat
from indexer.vector_index import (
    CodedParams,
    ExactIndex,
    HnswParams,
    IndexPlan,
    build_index,
    choose,
    open_index,
    set_threads,
)
from tests.test_vector_index import clusters


def test_auto_compares_few_vectors_whole() -> None:
    built = build_index(clusters(1000, 16, 1)[0])
    assert isinstance(built.index, ExactIndex)
    assert built.index.reason == "1,000 × 16 vectors are 0 MiB, within the 16 MiB that are compared whole"
    assert built.describe()["recall_at_10"] == {}


@pytest.mark.parametrize(
    "rows, dimension, memory_mib, kind",
    [
        (4_000, 600, None, "exact"),
        (4_000, 600, 9, "ivf"),
        (18_571, 621, None, "codes"),
        (81_982, 621, None, "codes"),
        (81_982, 621, 210, "codes"),
        (81_982, 621, 100, "ivf"),
        (81_982, 621, 8, "rabitq"),
        (300_001, 621, None, "ivf"),
        (1_100_000, 621, 100, "rabitq"),
    ],
)
def test_the_kind_goes_by_rows_and_memory(
    rows: int, dimension: int, memory_mib: int | None, kind: str
) -> None:
    memory_bytes = None if memory_mib is None else memory_mib * 2**20
    chosen, reason = choose.choose_kind(rows, dimension, memory_bytes)
    assert chosen == kind
    assert reason.startswith(f"{rows:,} × {dimension} vectors are ")
    assert (f"{memory_mib} MiB may be used" in reason) == (memory_mib is not None)


def test_unknown_kinds_and_settings_are_refused(tmp_path: Path) -> None:
    vectors = np.ones((2, 2), np.float32)
    with pytest.raises(
        ConfigError, match="unknown index kind 'lsh'; known are: auto, exact, hnsw, codes, ivf, rabitq"
    ):
        build_index(vectors, "lsh")
    for kind in ("exact", "auto"):
        with pytest.raises(ConfigError, match=f"of the kind {kind}, which takes none"):
            build_index(vectors, kind, HnswParams())
    with pytest.raises(ConfigError, match="hnsw takes HnswParams, not CodedParams"):
        build_index(vectors, "hnsw", CodedParams())
    with pytest.raises(ConfigError, match="codes takes CodedParams, not HnswParams"):
        build_index(vectors, "codes", HnswParams())
    with pytest.raises(ConfigError, match="hnsw m must be at least 2"):
        HnswParams(m=1)
    with pytest.raises(ConfigError, match="hnsw ef_search must be at least 1"):
        HnswParams(ef_search=0)
    with pytest.raises(ConfigError, match="codes candidates must be at least 1"):
        CodedParams(candidates=0)
    with pytest.raises(ConfigError, match="codes probes 3 are more than the 2 lists"):
        CodedParams(lists=2, probes=3)
    for target in (0.0, 1.01):
        with pytest.raises(ConfigError, match="target recall must be above 0 and at most 1"):
            IndexPlan(target_recall=target)
    with pytest.raises(VersionFormat, match="this program reads: exact, hnsw, codes, ivf, rabitq"):
        open_index(tmp_path / "x", "lsh")
    with pytest.raises(ValueError, match="at least one thread"):
        set_threads(0)
