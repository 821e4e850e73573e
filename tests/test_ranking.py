"""Ranking over the starter catalogue: exact beside brute force, dials that turn, lists that spread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.catalogue.records import Medium
from indexer.features.mood_text import Understood
from indexer.index_version import IndexVersion, open_version
from indexer.normalisation import unit
from indexer.ranking import DIVERSE_POOL, Asked, Inputs, ask, diversify, rank
from indexer.readers import carried
from indexer.space import MEDIA, NO_DIALS, Dials
from server.search import Query, Search

FILMS, SONGS = 370, 985
PROPERTY = settings(max_examples=60, deadline=None)
NOTHING = Inputs({"movies": [], "tracks": []})


@pytest.fixture(scope="module")
def version(starter_indexes: Path) -> Iterator[IndexVersion]:
    opened = open_version(starter_indexes)
    yield opened
    opened.close()


def brute(version: IndexVersion, asked: Asked, target: Medium) -> npt.NDArray[np.float64]:
    """Raw scores of all rows, by plain products."""
    everything = list(range(version.indexes[target].size))
    vectors = version.indexes[target].vectors(everything).astype(np.float64)
    scores: npt.NDArray[np.float64] = vectors @ asked.vector.astype(np.float64)
    return scores


def inputs(count: int) -> st.SearchStrategy[Inputs]:
    """Up to ``count`` films and as many songs, and perhaps a text."""
    films = st.lists(st.integers(0, FILMS - 1), max_size=count, unique=True)
    songs = st.lists(st.integers(0, SONGS - 1), max_size=count, unique=True)
    return st.builds(
        lambda movies, tracks, seeds: Inputs(
            {"movies": movies, "tracks": tracks}, tuple(some_text(seed) for seed in seeds)
        ),
        films,
        songs,
        st.lists(st.integers(0, 99), max_size=1),
    )


def some_text(seed: int) -> Understood:
    """What a text with an embedding of any direction says."""
    reader = carried().text
    return reader.plain(unit(np.random.default_rng(seed).normal(size=(1, len(reader.model.mean))))[0])


TURNS = st.sampled_from([0.0, -1.0, 0.4])


@PROPERTY
@given(
    target=st.sampled_from(MEDIA),
    wanted=inputs(4).filter(lambda some: some.count > 0),
    avoided=inputs(2),
    dials=st.builds(Dials, TURNS, TURNS, TURNS),
    share=st.sampled_from([None, 0.01, 0.3, 0.9]),
    depth=st.integers(1, 1000),
    seed=st.integers(0, 999),
)
def test_the_ranking_equals_brute_force_over_all_rows(
    version: IndexVersion,
    target: Medium,
    wanted: Inputs,
    avoided: Inputs,
    dials: Dials,
    share: float | None,
    depth: int,
    seed: int,
) -> None:
    size = version.indexes[target].size
    allowed = None
    if share is not None:
        allowed = np.random.default_rng(seed).random(size) < share
        allowed[seed % size] = True
    places = np.arange(size) if allowed is None else np.flatnonzero(allowed)
    depth = min(depth, len(places))
    asked = ask(version, wanted, avoided, dials)
    rows, scores = rank(version, asked, target, depth, allowed)
    truth = brute(version, asked, target)
    assert len(set(rows.tolist())) == depth
    assert set(rows.tolist()) <= set(places.tolist())
    np.testing.assert_allclose(scores, truth[rows], atol=1e-5)
    # Rows whose scores differ by rounding alone may change places, so scores are compared place by place.
    np.testing.assert_allclose(scores, np.sort(truth[places])[::-1][:depth], atol=1e-5)
    assert np.all(np.diff(scores) <= 0)


@PROPERTY
@given(
    target=st.sampled_from(MEDIA),
    wanted=inputs(3).filter(lambda some: some.count > 0),
    cuts=st.lists(st.integers(1, 350), min_size=1, max_size=5),
)
def test_a_shorter_ranking_is_the_beginning_of_a_longer_one(
    version: IndexVersion, target: Medium, wanted: Inputs, cuts: list[int]
) -> None:
    asked = ask(version, wanted, NOTHING, NO_DIALS)
    rows, scores = rank(version, asked, target, 360, None)
    for cut in cuts:
        some, values = rank(version, asked, target, cut, None)
        assert some.tolist() == rows[:cut].tolist()
        assert values.tolist() == scores[:cut].tolist()


def test_several_inputs_score_as_the_mean_of_each(version: IndexVersion) -> None:
    rows: dict[Medium, list[int]] = {"movies": [3, 77], "tracks": [5, 8, 400]}
    singly = [Inputs({"movies": [row], "tracks": []}) for row in rows["movies"]]
    singly += [Inputs({"movies": [], "tracks": [row]}) for row in rows["tracks"]]
    each = [brute(version, ask(version, one, NOTHING, NO_DIALS), "movies") for one in singly]
    together = brute(version, ask(version, Inputs(rows), NOTHING, NO_DIALS), "movies")
    np.testing.assert_allclose(together, np.mean(each, axis=0), atol=1e-5)


def test_a_text_among_the_inputs_is_one_of_them(version: IndexVersion) -> None:
    rows: dict[Medium, list[int]] = {"movies": [3], "tracks": [5, 8]}
    asked = ask(version, Inputs(rows, (some_text(1),)), NOTHING, NO_DIALS)
    assert len(asked.inputs) == 4
    end = version.space.block("dials").start
    np.testing.assert_allclose(asked.vector[:end], asked.inputs[:, :end].mean(axis=0), atol=1e-6)
    text = version.space.text_query(some_text(1))
    assert asked.inputs[3].tolist() == text.tolist()


def distinct_first(groups: npt.NDArray[np.int32], rows: list[int], left_out: list[int]) -> list[int]:
    """The plain way: down the whole ranking, what repeats a group above it goes behind all others; -1 is no group."""
    seen: list[set[int]] = [{int(groups[row, 0]) for row in left_out}, set()]
    first, repeats = [], []
    for row in rows:
        own = [(place, group) for place, group in enumerate(groups[row].tolist()) if group >= 0]
        if any(group in seen[place] for place, group in own):
            repeats.append(row)
            continue
        for place, group in own:
            seen[place].add(group)
        first.append(row)
    return first + repeats


@PROPERTY
@given(
    target=st.sampled_from(MEDIA),
    wanted=inputs(3).filter(lambda some: some.count > 0),
    left_out=st.lists(st.integers(0, FILMS - 1), max_size=5, unique=True),
    cuts=st.lists(st.integers(1, 900), min_size=1, max_size=4),
    filtered=st.booleans(),
)
def test_a_list_of_distinct_works_has_the_best_of_each_recording_and_artist_first(
    version: IndexVersion,
    target: Medium,
    wanted: Inputs,
    left_out: list[int],
    cuts: list[int],
    filtered: bool,
) -> None:
    size = version.indexes[target].size
    allowed = np.arange(size) % 3 > 0 if filtered else None
    left_out = [row for row in left_out if allowed is None or allowed[row]]
    asked = ask(version, wanted, NOTHING, NO_DIALS)
    whole, scores = rank(version, asked, target, size, allowed, left_out)
    expected = distinct_first(version.groups[target], whole.tolist(), left_out)
    score_of = dict(zip(whole.tolist(), scores.tolist(), strict=True))
    for cut in cuts:
        rows, values = rank(version, asked, target, cut, allowed, left_out, unique=True)
        assert rows.tolist() == expected[:cut]
        assert values.tolist() == [score_of[row] for row in rows.tolist()]


def test_songs_of_one_artist_come_once_before_any_comes_again_and_films_as_they_are(
    version: IndexVersion,
) -> None:
    asked = ask(version, Inputs({"movies": [0], "tracks": []}), NOTHING, NO_DIALS)
    songs, _ = rank(version, asked, "tracks", 100, None, unique=True)
    artists = [track.artists[0] for track in version.store.tracks(songs.tolist())]
    assert len(set(artists)) == len(artists)
    plain, _ = rank(version, asked, "tracks", 100, None)
    again = [track.artists[0] for track in version.store.tracks(plain.tolist())]
    assert len(set(again)) < len(again)
    films, unlike = (rank(version, asked, "movies", FILMS, None, unique=some)[0] for some in (True, False))
    assert films.tolist() == unlike.tolist()


def queries(version: IndexVersion, target: Medium) -> list[Query]:
    """Ten of all kinds: four films, four songs, two texts."""
    rng = np.random.default_rng(7)
    films = version.store.movies(rng.choice(FILMS, 4, replace=False).tolist())
    songs = version.store.tracks(rng.choice(SONGS, 4, replace=False).tolist())
    return [
        *(Query(target, movies=(film.id,), explain=False) for film in films),
        *(Query(target, tracks=(song.id,), explain=False) for song in songs),
        Query(target, text="a quiet winter in the mountains", explain=False),
        Query(target, text="a chase through the city at night", explain=False),
    ]


def mean_of_first_20(version: IndexVersion, search: Search, query: Query, figure: str) -> float:
    hits = search.find(replace(query, limit=20)).hits
    if figure == "popularity":
        known = [hit.item.popularity for hit in hits if hit.item.popularity is not None]
        return float(np.mean(known))
    rows = version.store.rows(query.target, [hit.id for hit in hits])
    return float(version.moods[query.target][rows, ("valence", "arousal").index(figure)].mean())


@pytest.mark.parametrize("target", MEDIA)
@pytest.mark.parametrize(
    ("dials", "figure", "direction"),
    [
        (Dials(valence=1.0), "valence", 1),
        (Dials(valence=-1.0), "valence", -1),
        (Dials(energy=-1.0), "arousal", -1),
        (Dials(energy=1.0), "arousal", 1),
        (Dials(popularity=1.0), "popularity", 1),
        (Dials(popularity=-1.0), "popularity", -1),
    ],
    ids=["brighter", "darker", "calmer", "wilder", "known", "hidden"],
)
def test_a_dial_shifts_what_comes_first(
    version: IndexVersion, search: Search, target: Medium, dials: Dials, figure: str, direction: int
) -> None:
    shifts = [
        direction
        * (
            mean_of_first_20(version, search, replace(query, dials=dials), figure)
            - mean_of_first_20(version, search, query, figure)
        )
        for query in queries(version, target)
    ]
    assert sum(shift > 0 for shift in shifts) >= 8
    # Of the scale of popularity (0 to 100), and of that of moods (0 to 1).
    assert np.mean(shifts) > (5.0 if figure == "popularity" else 0.04)


def unlikeness(version: IndexVersion, search: Search, query: Query) -> float:
    """Mean of 1 − cosine over the pairs among the first ten, dials and hub aside."""
    rows = version.store.rows(query.target, [hit.id for hit in search.find(replace(query, limit=10)).hits])
    end = version.space.block("dials").start
    vectors = unit(version.indexes[query.target].vectors(list(rows))[:, :end])
    return float(1 - (vectors @ vectors.T)[np.triu_indices(10, k=1)].mean())


@pytest.mark.parametrize("target", MEDIA)
def test_diversity_spreads_the_first_ten(version: IndexVersion, search: Search, target: Medium) -> None:
    spread = np.array(
        [
            [unlikeness(version, search, replace(query, diversity=much)) for much in (0.0, 0.5, 1.0)]
            for query in queries(version, target)
        ]
    )
    assert np.all(spread[:, 2] > spread[:, 0])
    assert np.all(np.diff(spread.mean(axis=0)) > 0.01)


@pytest.mark.parametrize("target", MEDIA)
def test_diversity_reorders_the_best_hundred_and_nothing_past_them(
    version: IndexVersion, search: Search, target: Medium
) -> None:
    for query in queries(version, target):
        plain, spread = (
            [(hit.id, hit.raw_score) for hit in search.find(replace(query, limit=150, diversity=much)).hits]
            for much in (0.0, 0.8)
        )
        assert sorted(spread[:DIVERSE_POOL]) == sorted(plain[:DIVERSE_POOL])
        assert spread[:DIVERSE_POOL] != plain[:DIVERSE_POOL]
        assert spread[0] == plain[0]
        assert spread[DIVERSE_POOL:] == plain[DIVERSE_POOL:]


def test_without_diversity_the_order_stays(version: IndexVersion) -> None:
    asked = ask(version, Inputs({"movies": [0], "tracks": []}), NOTHING, NO_DIALS)
    rows, scores = rank(version, asked, "movies", 50, None)
    assert diversify(version, "movies", rows, scores, 0.0).tolist() == list(range(50))
    assert diversify(version, "movies", rows[:1], scores[:1], 1.0).tolist() == [0]
    assert diversify(version, "movies", rows[:0], scores[:0], 1.0).tolist() == []


def test_full_diversity_takes_what_is_least_like_what_stands_above(version: IndexVersion) -> None:
    asked = ask(version, Inputs({"movies": [], "tracks": [5]}), NOTHING, NO_DIALS)
    rows, scores = rank(version, asked, "movies", 30, None)
    order = diversify(version, "movies", rows, scores, 1.0).tolist()
    end = version.space.block("dials").start
    likeness = (lambda x: x @ x.T)(unit(version.indexes["movies"].vectors(rows.tolist())[:, :end]))
    assert sorted(order) == list(range(30))
    for place in range(1, 30):
        nearest = {at: max(likeness[at, above] for above in order[:place]) for at in order[place:]}
        assert nearest[order[place]] == pytest.approx(min(nearest.values()), abs=1e-5)


def test_pages_of_a_diverse_list_join(search: Search) -> None:
    query = Query("tracks", text="a quiet winter in the mountains", diversity=0.6, explain=False)
    whole = search.find(replace(query, limit=240)).hits
    paged = [
        hit
        for offset in range(0, 240, 40)
        for hit in search.find(replace(query, limit=40, offset=offset)).hits
    ]
    assert [(hit.id, hit.rank) for hit in paged] == [(hit.id, hit.rank) for hit in whole]


@PROPERTY
@given(
    target=st.sampled_from(MEDIA),
    wanted=inputs(3).filter(lambda some: some.count > 0),
    left_out=st.lists(st.integers(0, FILMS - 1), max_size=5, unique=True),
    depth=st.integers(1, 300),
    filtered=st.booleans(),
)
def test_leaving_rows_out_is_as_not_allowing_them(
    version: IndexVersion, target: Medium, wanted: Inputs, left_out: list[int], depth: int, filtered: bool
) -> None:
    size = version.indexes[target].size
    asked = ask(version, wanted, NOTHING, NO_DIALS)
    allowed = np.arange(size) % 3 > 0 if filtered else np.ones(size, np.bool_)
    left_out = [row for row in left_out if allowed[row]]
    some = allowed.copy()
    some[left_out] = False
    rows, scores = rank(version, asked, target, depth, allowed if filtered else None, left_out)
    others, values = rank(version, asked, target, depth, some)
    assert rows.tolist() == others.tolist()
    assert scores.tolist() == values.tolist()


class Forgetful:
    """A vector index that misses every seventh row, as an approximate one may, until all are asked for."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def search(self, query: Any, k: int, offset: int = 0, allowed: Any = None) -> Any:
        known = np.arange(self._index.size) % 7 > 0
        return self._index.search(query, k, offset, known if allowed is None else known & allowed)


def test_pages_join_where_the_index_misses_rows(version: IndexVersion) -> None:
    forgetful = {medium: Forgetful(index) for medium, index in version.indexes.items()}
    missing = Search(replace(version, indexes=forgetful))  # type: ignore[arg-type]
    for id in version.store.ids("movies", list(range(0, 370, 5))):
        whole = missing.find(Query("tracks", movies=(id,), limit=400, explain=False)).hits
        pages = [
            hit.id
            for offset in range(0, 400, 40)
            for hit in missing.find(
                Query("tracks", movies=(id,), limit=40, offset=offset, explain=False)
            ).hits
        ]
        assert pages == [hit.id for hit in whole]
        assert len(set(pages)) == len(pages)
