"""What is done otherwise where a catalogue is large, tried on a small one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from indexer import catalogue_store
from indexer.catalogue.records import Medium
from indexer.catalogue_store import CatalogueStore, write_store
from indexer.map_layout import Floats, lay_out
from indexer.readers import carried
from indexer.space import MEDIA, Space
from indexer.vector_index import CodedParams, tuning
from indexer.vector_index.coded import CodesIndex
from indexer.vector_index.projection import Projection

RANDOM = np.random.default_rng(11)
TEXT, DIMENSION, GROUPS = 12, 20, 4


def uneven(rows: int, dimension: int = 48) -> Floats:
    """Vectors whose directions differ in spread by a factor of a hundred, as those of a space do."""
    spread = np.geomspace(1.0, 0.01, dimension)
    return (RANDOM.standard_normal((rows, dimension)) * spread).astype(np.float32)


def test_a_turned_map_keeps_inner_products_and_spreads_numbers_evenly() -> None:
    items, queries = uneven(3_000), uneven(400)
    straight = Projection.fit(items, queries, 24)
    turned = straight.turned(5)
    before = straight.place_items(items) @ (queries @ straight.query_map).T
    after = turned.place_items(items) @ (queries @ turned.query_map).T
    assert np.abs(after - before).max() < 1e-4
    spreads = [mapped.place_items(items).std(axis=0) for mapped in (straight, turned)]
    assert spreads[0].max() / spreads[0].min() > 8
    assert spreads[1].max() / spreads[1].min() < 3
    assert (straight.turned(5).item_map == turned.item_map).all()
    assert (straight.turned(6).item_map != turned.item_map).any()


def test_a_sample_is_tuned_to_what_it_stands_for() -> None:
    items, queries = uneven(2_000), uneven(60)
    samples = tuning.take_samples(items, {"items": queries})
    index = CodesIndex.make(items, Projection.fit(items, queries, 12), CodedParams(dimension=12), "asked for")
    alone = tuning.tune_probes(index, samples, 0.99)
    for_more = tuning.tune_probes(index, samples, 0.99, times_more=60)
    # Of so many more rows as many more come before the best, so that few candidates no longer do.
    assert alone.params.candidates == 256
    assert for_more.params.candidates > 256
    assert for_more.cost > alone.cost


def make_space() -> Space:
    sizes = {"meaning": TEXT, "feeling": 3, "learned": 1, "dials": 3, "hub": 1}
    return Space(sizes, dict.fromkeys(sizes, 1.0), carried())


def make_vectors(counts: dict[Medium, int]) -> dict[Medium, Floats]:
    """Rows of ``GROUPS`` groups in turn; an item resembles those of its group and no other."""
    found = {}
    for medium, count in counts.items():
        vectors = np.zeros((count, DIMENSION), dtype=np.float32)
        vectors[:, :TEXT] = 0.05 * RANDOM.standard_normal((count, TEXT))
        vectors[np.arange(count), np.arange(count) % GROUPS] += 1.0
        found[medium] = vectors
    return found


def test_a_large_map_is_laid_out_by_a_sample_and_the_rest_amid_it() -> None:
    vectors = make_vectors({"movies": 301, "tracks": 199})
    told: list[tuple[int, int]] = []
    layout = lay_out(make_space(), vectors, 3, lambda done, total: told.append((done, total)), most=200)
    assert {medium: layout.positions[medium].shape for medium in MEDIA} == {
        "movies": (301, 2),
        "tracks": (199, 2),
    }
    assert told[-1][0] == told[-1][1]
    again = lay_out(make_space(), vectors, 3, most=200)
    for medium in MEDIA:
        places = layout.positions[medium].astype(np.float64)
        assert (again.positions[medium] == layout.positions[medium]).all()
        groups = np.arange(len(places)) % GROUPS
        middles = np.stack([np.median(places[groups == group], axis=0) for group in range(GROUPS)])
        nearest = np.linalg.norm(places[:, None] - middles, axis=2).argmin(axis=1)
        assert np.mean(nearest == groups) > 0.95
        assert len(np.unique(places, axis=0)) > 0.8 * len(places)


MOVIES = pd.DataFrame(
    {
        "id": [str(n) for n in range(60)],
        "title": [f"The {('Night', 'Day', 'Storm')[n % 3]} of {n}" for n in range(60)],
        "year": [1950.0 + n for n in range(60)],
        "votes": [float(n % 7) if n % 5 else None for n in range(60)],
    }
)
TRACKS = pd.DataFrame({"id": ["a", "b"], "title": ["Rain", "Sun"], "other_ids": ["c|d", None]})


def test_a_catalogue_written_in_parts_is_the_same_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_store(tmp_path / "whole.sqlite", MOVIES, TRACKS)
    monkeypatch.setattr(catalogue_store, "_WRITTEN_AT_ONCE", 7)
    write_store(tmp_path / "parts.sqlite", MOVIES, TRACKS)
    assert (tmp_path / "parts.sqlite").read_bytes() == (tmp_path / "whole.sqlite").read_bytes()


def test_a_look_up_reads_the_rarest_grams_first_and_leaves_the_commonest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_store(tmp_path / "catalogue.sqlite", MOVIES, TRACKS)
    store = CatalogueStore.open(tmp_path / "catalogue.sqlite")
    lists = [(1, 4), (2, 8), (3, 40), (4, 400), (5, 4_000)]
    monkeypatch.setattr(catalogue_store, "_LEAST_GRAMS", 2)
    monkeypatch.setattr(catalogue_store, "_ENTRIES", 13)
    assert catalogue_store._choose_lists(lists) == [1, 2, 3]
    monkeypatch.setattr(catalogue_store, "_ENTRIES", 1)
    assert catalogue_store._choose_lists(lists) == [1, 2]
    monkeypatch.setattr(catalogue_store, "_LEAST_GRAMS", 6)
    assert store.look_up("movies", "the storm of 47", 1)[0].row == 47
    assert store.look_up("movies", "night of 9", 1)[0].row == 9
    store.close()
