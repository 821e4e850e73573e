"""``scripts/bench fetch``, on tables of a few kilobytes."""

from __future__ import annotations

import json

from indexer.benchmarks.__main__ import main
from indexer.benchmarks.fetch import REAL_BYTES


def test_every_data_set_is_fetched_whole_and_its_cost_told(kaggle_here, tmp_path, capsys):
    found = tmp_path / "found.json"
    assert main(["fetch", "--share", "0.001", "--work", str(tmp_path), "--json", str(found)]) == 0
    costs = json.loads(found.read_text())["costs"]
    assert list(costs) == ["spotify-tracks", "tmdb-movies", "movielens"]
    assert costs["spotify-tracks"]["came_bytes"] == REAL_BYTES["dataset.csv"] // 1_000
    # Packed, they come to less than half.
    assert 50_000 < costs["tmdb-movies"]["came_bytes"] < REAL_BYTES["TMDB_movie_dataset_v11.csv"] / 2_000
    assert 50_000 < costs["movielens"]["came_bytes"] < sum(REAL_BYTES.values()) / 2_000
    assert costs["spotify-tracks"]["unpacked_s"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]
    assert "| movielens | " in capsys.readouterr().out
