"""The same searches on FAISS and on Milvus: the same hits, scores, reasons, totals and facets."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from indexer.catalogue.records import Movie, Track
from indexer.errors import UnknownItem
from indexer.filter_columns import Filters
from indexer.index_folder import current_name
from indexer.milvus import index as milvus_index
from indexer.milvus.publishing import Publisher
from indexer.space import MEDIA, Dials
from indexer.unseen_items import UnseenMovie, UnseenTrack
from server.search import Answer, Query, Search
from tests.milvus.engines import ENGINES, drop_index_files, open_engine

#: Scores closer than this are the same up to the rounding of single precision: their order may differ.
SAME = 1e-6
FILMS, SONGS = 370, 985


@pytest.fixture(scope="module", params=ENGINES)
def on_milvus(
    request: pytest.FixtureRequest, starter_indexes: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Search]:
    """Search over the starter catalogue, whose folder holds no vectors."""
    folder = tmp_path_factory.mktemp("milvus")
    indexes = Path(shutil.copytree(starter_indexes, folder / "indexes"))
    with open_engine(request, folder, "contract") as engine:
        Publisher(engine, indexes).publish(current_name(indexes))
        drop_index_files(indexes / current_name(indexes))
        opened = Search(engine.open_version(indexes, engine.current_name(indexes)))
        yield opened
        opened.close()


def songs(search: Search, *rows: int) -> tuple[str, ...]:
    return tuple(item.id for item in search.items_at("tracks", rows))


def films(search: Search, *rows: int) -> tuple[str, ...]:
    return tuple(item.id for item in search.items_at("movies", rows))


UNSEEN = (
    UnseenTrack(Track("item-1", "Night Drive", ("Nobody Known",), year=1986, energy=0.8, valence=0.3)),
    UnseenMovie(
        Movie("item-2", "Harbour Lights", overview="A keeper of a lighthouse waits for the storm to end.")
    ),
)

QUERIES: dict[str, Callable[[Search], Query]] = {
    "films for a song": lambda s: Query("movies", tracks=songs(s, 3)),
    "songs for a film": lambda s: Query("tracks", movies=films(s, 5)),
    "films for a mood": lambda s: Query("movies", text="a quiet night by the sea, melancholic"),
    "songs for a mood": lambda s: Query("tracks", text="driving fast through the desert"),
    "songs like a song": lambda s: Query("tracks", tracks=songs(s, 11), limit=25),
    "films like a film": lambda s: Query("movies", movies=films(s, 200), limit=25),
    "a playlist": lambda s: Query("movies", tracks=songs(s, *range(0, 300, 12)), limit=20),
    "several inputs, some avoided": lambda s: Query(
        "tracks",
        tracks=songs(s, 1, 2),
        movies=films(s, 7),
        text="rain",
        avoid_tracks=songs(s, 4),
        avoid_movies=films(s, 9),
        avoid_text="loud",
    ),
    "genres": lambda s: Query("movies", text="love", filters=Filters(genres=("drama", "Comedy"))),
    "years": lambda s: Query("tracks", text="love", filters=Filters(year_min=1970, year_max=1989)),
    "language": lambda s: Query("movies", text="love", filters=Filters(language=("fr", "en"))),
    "rating and votes": lambda s: Query("movies", text="war", filters=Filters(rating_min=7.2, votes_min=100)),
    "popularity": lambda s: Query("tracks", text="war", filters=Filters(popularity_min=20)),
    "runtime": lambda s: Query("movies", text="war", filters=Filters(runtime_min=80, runtime_max=110)),
    "explicit": lambda s: Query("tracks", text="war", filters=Filters(explicit=False)),
    "tempo, energy, valence": lambda s: Query(
        "tracks", text="war", filters=Filters(tempo_min=80, tempo_max=160, energy_min=0.2, valence_max=0.8)
    ),
    "filters of every kind": lambda s: Query(
        "movies",
        tracks=songs(s, 8),
        filters=Filters(("Drama",), 1960, 2020, ("en",), 5.0, 10, 0.1, 60, 200),
        limit=50,
    ),
    "filters that leave nothing": lambda s: Query("movies", text="war", filters=Filters(rating_min=11)),
    "dials": lambda s: Query("tracks", movies=films(s, 30), dials=Dials(0.7, -0.5, 0.4)),
    "dials and filters": lambda s: Query(
        "movies", text="love", dials=Dials(-1.0, 1.0, 0.0), filters=Filters(year_min=1990)
    ),
    "diversity": lambda s: Query("movies", tracks=songs(s, 40), diversity=0.7, limit=20),
    "facets": lambda s: Query("tracks", text="sun", filters=Filters(year_min=1980), facets=True),
    "without reasons": lambda s: Query("movies", tracks=songs(s, 3), explain=False),
    "unseen items": lambda s: Query("movies", items=UNSEEN),
    "an unseen item and a known one": lambda s: Query("tracks", items=UNSEEN[1:], tracks=songs(s, 3)),
    "a deep page": lambda s: Query("movies", tracks=songs(s, 17), offset=300, limit=100),
    "the last page": lambda s: Query("tracks", movies=films(s, 17), offset=970, limit=100),
    "past the last page": lambda s: Query("movies", text="war", offset=5_000),
    "all songs, filtered": lambda s: Query("tracks", text="sun", filters=Filters(explicit=False), limit=985),
}


def assert_same(expected: Answer, found: Answer) -> None:
    assert (found.total, found.good_match, found.facets) == (
        expected.total,
        expected.good_match,
        expected.facets,
    )
    assert found.unread == expected.unread
    assert len(found.hits) == len(expected.hits)
    scored = {hit.id: hit.raw_score for hit in expected.hits}
    for one, other in zip(expected.hits, found.hits, strict=True):
        assert other.rank == one.rank
        assert other.id == one.id or scored.get(other.id) == pytest.approx(one.raw_score, abs=SAME)
        assert other.score == pytest.approx(one.score, abs=1e-4)
        assert other.raw_score == pytest.approx(one.raw_score, abs=1e-4)
        assert sum(reason.value for reason in other.reasons) == pytest.approx(
            other.raw_score if other.reasons else 0, abs=1e-4
        )
        if other.id == one.id:
            assert (other.item, other.based_on) == (one.item, one.based_on)
            texts, same_texts = ({r.term: r.text for r in hit.reasons} for hit in (one, other))
            assert same_texts == texts
            for reason, same in zip(other.reasons, one.reasons, strict=True):
                assert reason.value == pytest.approx(same.value, abs=1e-4)


@pytest.mark.parametrize("case", QUERIES)
def test_an_answer_is_the_same(search: Search, on_milvus: Search, case: str) -> None:
    query = QUERIES[case](search)
    assert_same(search.find(query), on_milvus.find(query))


@pytest.mark.parametrize("case", ["films for a song", "songs for a mood", "genres", "years"])
def test_pages_hold_every_row_once_past_the_most_that_one_search_returns(
    monkeypatch: pytest.MonkeyPatch, search: Search, on_milvus: Search, case: str
) -> None:
    monkeypatch.setattr(milvus_index, "MOST_FOUND", 200)
    query = QUERIES[case](search)
    total = search.find(query).total
    ids: list[str] = []
    for offset in range(0, total, 150):
        page = Query(
            query.target,
            query.tracks,
            query.movies,
            query.text,
            filters=query.filters,
            offset=offset,
            limit=150,
            explain=False,
        )
        answer = on_milvus.find(page)
        assert_same(search.find(page), answer)
        ids += [hit.id for hit in answer.hits]
    assert len(ids) == len(set(ids)) == total


def test_vectors_are_those_of_the_version(search: Search, on_milvus: Search) -> None:
    for medium, size in zip(MEDIA, (FILMS, SONGS), strict=True):
        rows = [5, size - 1, 0, 5, 17]
        ours, theirs = search._version.indexes[medium], on_milvus._version.indexes[medium]
        assert theirs.size == size
        np.testing.assert_array_equal(theirs.vectors(rows), ours.vectors(rows))
        np.testing.assert_array_equal(theirs.vectors(rows), ours.vectors(rows))  # those that were kept
        with pytest.raises(IndexError, match=f"from 0 to {size - 1}"):
            theirs.vectors([size])


def test_an_unknown_item_is_one_on_either(search: Search, on_milvus: Search) -> None:
    for either in (search, on_milvus):
        with pytest.raises(UnknownItem, match="nowhere"):
            either.find(Query("movies", tracks=("nowhere",)))
