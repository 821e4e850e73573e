"""Reading the seven features, splitting rows and leaving torch as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.errors import MissingColumn, MissingMaterial, UnreadableFile
from indexer.methods.audio_table import (
    FEATURES,
    cluster_songs,
    hold_out,
    measure_distances,
    read_audio_table,
    repeatable_torch,
)
from indexer.methods.method import Material

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

MakeMaterial = Callable[..., Material]
Song = Callable[..., dict[str, float]]
WriteTable = Callable[[str, Any], Path]


def read(make_material: MakeMaterial, path: Path, **wanted: Any) -> Any:
    return read_audio_table(make_material([{}], [{}], {"clip_features": path}), "clip_features", **wanted)


def test_features_come_in_one_order_whatever_the_files(
    make_material: MakeMaterial, write_table: WriteTable
) -> None:
    backwards = {name: 0.1 * at for at, name in reversed(list(enumerate(FEATURES)))}
    table = read(make_material, write_table("clips.csv", [backwards]))
    assert table.features.tolist() == [pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])]


def test_rows_without_all_numbers_are_dropped_and_counted(
    make_material: MakeMaterial, write_table: WriteTable, song: Song
) -> None:
    rows: list[dict[str, Any]] = [
        {"film": "None", **song(0.2)},
        {"film": "Empty", **song(0.2), "valence": ""},
        {"film": "Words", **song(0.2), "energy": "loud"},
        {"film": "Percent", **song(0.2), "liveness": 12},
        {"film": "  ", **song(0.2)},
        {"film": "NA", **song(0.3)},
    ]
    table = read(make_material, write_table("clips.csv", rows), names=("film",))
    assert table.cells["film"].tolist() == ["None", "NA"]
    assert table.features[:, 0].tolist() == [0.2, 0.3]
    assert table.dropped == 4


def test_a_file_that_was_not_given_is_named_by_its_setting(make_material: MakeMaterial) -> None:
    with pytest.raises(MissingMaterial, match="set clip_features"):
        read_audio_table(make_material([{}], [{}], {}), "clip_features")


def test_a_missing_column_is_named(make_material: MakeMaterial, write_table: WriteTable, song: Song) -> None:
    short = {name: value for name, value in song().items() if name != "valence"}
    with pytest.raises(MissingColumn, match=r"no column valence, pos_percent; clip_features needs"):
        read(make_material, write_table("clips.csv", [short]), numbers=("pos_percent",))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,b\n"1,2\n3'], ids=["empty", "binary", "quote"])
def test_a_file_that_is_no_table_is_refused(
    make_material: MakeMaterial, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=re.escape(str(path))):
        read(make_material, path)
    with pytest.raises(UnreadableFile, match="nowhere"):
        read(make_material, tmp_path / "nowhere.csv")


def test_a_group_is_never_on_both_sides_of_a_split() -> None:
    groups = np.repeat(np.arange(40), 5)
    held = hold_out(groups, 0.15, seed=1)
    by_group = held.reshape(40, 5)
    assert (by_group.all(axis=1) | ~by_group.any(axis=1)).all()
    assert held.sum() == 30
    assert hold_out(np.array([7, 7, 8]), 0.9, seed=0).sum() in (1, 2)
    assert hold_out(groups, 0.15, seed=2).tolist() != held.tolist()


def test_distances_are_euclidean_and_exactly_nothing_to_oneself() -> None:
    rows = np.zeros((1500, 7))
    rows[1499, :2] = 0.3, 0.4
    distances = measure_distances(rows, rows[[0, 1499]])
    assert distances[0].tolist() == [0.0, pytest.approx(0.5)]
    assert distances[1499].tolist() == [pytest.approx(0.5), 0.0]


def test_two_tight_clusters_have_the_stated_silhouette_and_spread() -> None:
    # Two pairs 0.1 apart at 0.0 and 0.8 of one feature. Of each point: to its mate 0.1, to the others 0.85
    # or 0.75 on average; silhouettes 1 − 0.1/0.85 and 1 − 0.1/0.75. To its centroid 0.05, to the middle 0.4.
    rows = np.zeros((4, 7))
    rows[:, 3] = 0.0, 0.1, 0.8, 0.9
    labels, centroids, figures = cluster_songs(rows, seed=0)
    assert labels[0] == labels[1] != labels[2] == labels[3]
    assert sorted(centroids[:, 3].tolist()) == pytest.approx([0.05, 0.85])
    assert figures["silhouette"] == pytest.approx(1 - (0.1 / 0.85 + 0.1 / 0.75) / 2, abs=1e-4)
    assert (figures["clusters"], figures["spread"], figures["spread_as_one_cluster"]) == (2, 0.05, 0.4)


def test_songs_that_are_all_alike_are_one_cluster_without_a_silhouette() -> None:
    labels, _, figures = cluster_songs(np.full((10, 7), 0.5), seed=0)
    assert labels.tolist() == [0] * 10
    assert (figures["clusters"], figures["silhouette"]) == (1, None)


def test_torch_is_left_as_it_was() -> None:
    import torch

    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(RuntimeError, match="stop"), repeatable_torch(5):
        assert torch.get_num_threads() == 1
        first = torch.rand(3)
        raise RuntimeError("stop")
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (threads, False)
    with repeatable_torch(5):
        assert torch.equal(torch.rand(3), first)


@pytest.mark.parametrize(
    ("file", "silhouette"), [("fma_echonest_13k.csv", 0.13), ("spotiflix_soundtracks.csv", 0.30)]
)
def test_the_published_silhouettes_come_out_again(
    make_material: MakeMaterial, file: str, silhouette: float
) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"the shared data set {file} is not here")
    _, _, figures = cluster_songs(read(make_material, DATA / file).features, seed=0)
    assert figures["clusters"] == 500
    assert figures["silhouette"] == pytest.approx(silhouette, abs=0.03)
