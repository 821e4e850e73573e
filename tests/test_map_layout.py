"""The map's layout: who is tied to whom, where things come to lie, and what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.benchmarks.map import add_map, kept_share, share_of_songs
from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged
from indexer.index_folder import current_name
from indexer.index_version import open_version
from indexer.map_layout import Floats, MapLayout, best_matches, lay_out, nearest_within
from indexer.readers import carried
from indexer.space import MEDIA, Space

TEXT, DIMENSION = 12, 20
GROUPS = 4


def make_space() -> Space:
    sizes = {"meaning": TEXT, "feeling": 3, "learned": 1, "dials": 3, "hub": 1}
    return Space(sizes, dict.fromkeys(sizes, 1.0), carried())


def make_vectors(films: int, songs: int) -> dict[Medium, Floats]:
    """Rows of ``GROUPS`` groups in turn; an item resembles those of its group, of either medium, and no other."""
    random = np.random.default_rng(5)
    found: dict[Medium, Floats] = {}
    for medium, count in (("movies", films), ("tracks", songs)):
        vectors = np.zeros((count, DIMENSION), dtype=np.float32)
        vectors[:, :TEXT] = 0.05 * random.standard_normal((count, TEXT))
        vectors[np.arange(count), np.arange(count) % GROUPS] += 1.0
        # An axis of its own for each medium, as texts of the two have.
        vectors[:, GROUPS + (medium == "tracks")] += 1.0
        found[medium] = vectors  # type: ignore[index]
    return found


def test_nearest_within_ranks_by_inner_product_and_leaves_itself_out() -> None:
    rows = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.2, 0.8]], dtype=np.float32)
    assert nearest_within(rows, 2).tolist() == [[1, 3], [0, 3], [3, 1], [2, 1]]


def test_nearest_within_finds_fewer_where_there_are_no_more() -> None:
    assert nearest_within(np.eye(2, dtype=np.float32), 10).tolist() == [[1], [0]]


def test_best_matches_go_both_ways_with_the_bias_of_what_is_found() -> None:
    films = np.array([[1, 0], [0, 1], [0.6, 0.6]], dtype=np.float32)
    songs = np.array([[1, 0], [0, 1]], dtype=np.float32)
    none = np.zeros(3, dtype=np.float32)
    of_films, of_songs = best_matches(films, songs, none, none[:2], 2)
    assert of_films.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert of_songs.tolist() == [[0, 2], [1, 2]]
    of_films, of_songs = best_matches(
        films, songs, np.array([0, 0, 0.5], dtype=np.float32), np.array([0, 2], dtype=np.float32), 1
    )
    assert of_films.tolist() == [[1], [1], [1]]
    assert of_songs.tolist() == [[2], [2]]


def test_best_matches_do_not_depend_on_how_the_work_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    films, songs = (random.standard_normal((count, 6)).astype(np.float32) for count in (37, 90))
    biases = (random.standard_normal(count).astype(np.float32) for count in (37, 90))
    film_bias, song_bias = biases
    whole = best_matches(films, songs, film_bias, song_bias, 5)
    monkeypatch.setattr("indexer.map_layout._CHUNK", 4)
    cut = best_matches(films, songs, film_bias, song_bias, 5)
    by_hand = np.argsort(-(films @ songs.T + film_bias[:, None]), axis=0)[:5].T
    assert cut[0].tolist() == whole[0].tolist()
    assert cut[1].tolist() == whole[1].tolist() == by_hand.tolist()


def test_films_lie_among_the_songs_of_their_group() -> None:
    vectors = make_vectors(60, 240)
    layout = lay_out(make_space(), vectors)
    places = {medium: layout.positions[medium].astype(np.float64) for medium in MEDIA}
    away = ((places["movies"][:, None] - places["tracks"][None]) ** 2).sum(axis=2)
    near = np.argsort(away, axis=1)[:, :5] % GROUPS
    assert (near == np.arange(60)[:, None] % GROUPS).mean() > 0.97


def test_the_layout_fills_its_square() -> None:
    layout = lay_out(make_space(), make_vectors(40, 80))
    every = np.concatenate([layout.positions[medium] for medium in MEDIA])
    assert (every.max(axis=0).astype(int) - every.min(axis=0)).max() == 65_535


def test_the_same_input_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    vectors = make_vectors(40, 80)
    for name in ("a", "b"):
        lay_out(make_space(), vectors, seed=1).write(tmp_path / name)
    for medium in MEDIA:
        assert (tmp_path / "a" / f"{medium}.npy").read_bytes() == (
            tmp_path / "b" / f"{medium}.npy"
        ).read_bytes()


@pytest.mark.parametrize(("films", "songs"), [(1, 1), (1, 300), (3, 5)])
def test_a_few_items_have_places_too(films: int, songs: int) -> None:
    layout = lay_out(make_space(), make_vectors(films, songs))
    assert [layout.positions[medium].shape for medium in MEDIA] == [(films, 2), (songs, 2)]


def test_steps_are_told() -> None:
    told: list[tuple[int, int]] = []
    lay_out(make_space(), make_vectors(30, 60), on_step=lambda done, total: told.append((done, total)))
    assert told[0] == (50, 600)
    assert told[-1] == (600, 600)


@pytest.mark.parametrize(
    "wrong", [np.zeros((3, 2), np.uint16), np.zeros((2, 2), np.float32), np.zeros(2, np.uint16)]
)
def test_a_layout_of_other_numbers_is_damaged(wrong: np.ndarray, tmp_path: Path) -> None:
    fine = np.zeros((2, 2), np.uint16)
    MapLayout({"movies": fine, "tracks": fine}).write(tmp_path / "map")
    assert (
        MapLayout.open(tmp_path / "map", {"movies": 2, "tracks": 2}).positions["movies"].tolist()
        == [[0, 0]] * 2
    )
    np.save(tmp_path / "map" / "tracks.npy", wrong)
    with pytest.raises(VersionDamaged, match=r"tracks\.npy"):
        MapLayout.open(tmp_path / "map", {"movies": 2, "tracks": 2})


def test_the_benchmark_counts_what_the_map_keeps(starter_indexes: Path, tmp_path: Path) -> None:
    version = open_version(starter_indexes)
    layout = version.map_layout
    assert layout is not None
    vectors = {
        medium: version.indexes[medium].vectors(np.arange(version.indexes[medium].size)) for medium in MEDIA
    }
    places = {medium: layout.positions[medium].astype(np.float64) for medium in MEDIA}
    rows = np.arange(100)
    random = np.random.default_rng(0)
    shuffled = {medium: random.permutation(places[medium]) for medium in MEDIA}
    for source in MEDIA:
        for target in MEDIA:
            kept = kept_share(version, vectors, places, source, target, rows)
            assert kept > 2 * kept_share(version, vectors, shuffled, source, target, rows)
    assert 0.3 < share_of_songs(places, rows) < 0.95

    copied = tmp_path / "indexes"
    moved = MapLayout({medium: layout.positions[medium][::-1].copy() for medium in MEDIA})
    add_map(version, moved, copied)
    version.close()
    again = open_version(copied)
    assert again.name == current_name(copied) == version.name
    assert again.map_layout is not None
    assert again.map_layout.positions["movies"].tolist() == layout.positions["movies"][::-1].tolist()
    again.close()
