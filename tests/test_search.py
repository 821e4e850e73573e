"""Search over the starter catalogue: reasons that add up, filters that hold, pages that join."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.catalogue.records import Medium, Movie, Track
from indexer.errors import BadFilter, QueryError, UnknownItem
from indexer.filter_columns import Filters
from indexer.space import MEDIA
from server.answer_cache import AnswerCache
from server.search import MOST_HITS, Query, Search

FILM, SONG = "casablanca-1942", "stevie-wonder-superstition"
QUERIES = [
    Query("tracks", movies=(FILM,)),
    Query("movies", tracks=(SONG,)),
    Query("tracks", tracks=(SONG,)),
    Query("movies", movies=(FILM, "alien-1979"), tracks=(SONG,)),
    Query("movies", text="neon rain, lonely, slow"),
    Query("tracks", text="neon rain", avoid_text="jazz", avoid_tracks=(SONG,), avoid_movies=(FILM,)),
]
PROPERTY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: f"{q.target}-{q.text or 'ids'}")
def test_reasons_add_up_and_scores_are_ordered_within_0_and_1(search: Search, query: Query) -> None:
    hits = search.find(replace(query, limit=1000, unique=False)).hits
    for hit in hits:
        assert sum(reason.value for reason in hit.reasons) == pytest.approx(hit.raw_score, abs=1e-5)
        assert 0.0 <= hit.score <= 1.0
        assert all(reason.text for reason in hit.reasons)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@PROPERTY
@given(st.sampled_from(QUERIES), st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_pages_of_any_sizes_join_to_one_list(search: Search, query: Query, sizes: list[int]) -> None:
    whole = search.find(replace(query, limit=sum(sizes)))
    paged: list[tuple[str, int]] = []
    for size in sizes:
        page = search.find(replace(query, limit=size, offset=min(sum(sizes), len(paged))))
        assert page.total == whole.total
        paged += [(hit.id, hit.rank) for hit in page.hits]
    assert paged == [(hit.id, hit.rank) for hit in whole.hits][: len(paged)]
    assert len(paged) == len(whole.hits)


def passes(item: Movie | Track, filters: Filters) -> bool:
    """The filters in plain words: all must hold, and what is unknown passes none."""

    def within(value: float | None, low: float | None, high: float | None) -> bool:
        if low is None and high is None:
            return True
        return value is not None and (low is None or value >= low) and (high is None or value <= high)

    wanted = {name.casefold() for name in filters.genres}
    if wanted and not wanted & {name.casefold() for name in item.genres}:
        return False
    if not within(item.year, filters.year_min, filters.year_max):
        return False
    if not within(item.popularity, filters.popularity_min, None):
        return False
    if isinstance(item, Movie):
        return within(item.runtime_min, filters.runtime_min, filters.runtime_max) and (
            not filters.language or item.language in filters.language
        )
    return (
        within(item.energy, filters.energy_min, filters.energy_max)
        and within(item.valence, filters.valence_min, None)
        and (filters.explicit is None or item.explicit is filters.explicit)
    )


YEARS = st.one_of(st.none(), st.integers(1930, 2025))
SHARES = st.one_of(st.none(), st.floats(0, 1))


def ordered(filters: Filters, low: str, high: str) -> Filters:
    a, b = getattr(filters, low), getattr(filters, high)
    return replace(filters, **{low: b, high: a}) if a is not None and b is not None and a > b else filters


MOVIE_FILTERS = st.builds(
    Filters,
    genres=st.lists(st.sampled_from(["Drama", "comedy", "War", "Horror"]), max_size=2).map(tuple),
    language=st.lists(st.sampled_from(["en", "fr", "ja"]), max_size=2).map(tuple),
    year_min=YEARS,
    year_max=YEARS,
    runtime_min=st.one_of(st.none(), st.integers(60, 200)),
    popularity_min=st.one_of(st.none(), st.integers(0, 100)),
).map(lambda f: ordered(f, "year_min", "year_max"))
TRACK_FILTERS = st.builds(
    Filters,
    genres=st.lists(st.sampled_from(["soul", "Jazz", "rock"]), max_size=2).map(tuple),
    year_min=YEARS,
    year_max=YEARS,
    energy_min=SHARES,
    energy_max=SHARES,
    valence_min=SHARES,
    explicit=st.sampled_from([None, True, False]),
).map(lambda f: ordered(ordered(f, "year_min", "year_max"), "energy_min", "energy_max"))


@PROPERTY
@given(st.one_of(MOVIE_FILTERS.map(lambda f: ("movies", f)), TRACK_FILTERS.map(lambda f: ("tracks", f))))
def test_filters_equal_brute_force(search: Search, drawn: tuple[Medium, Filters]) -> None:
    target, filters = drawn
    query = Query(target, text="a long road home", limit=1000, unique=False)
    everything = search.find(query).hits
    filtered = search.find(replace(query, filters=filters))
    expected = [(hit.id, hit.raw_score) for hit in everything if passes(hit.item, filters)]
    assert [(hit.id, hit.raw_score) for hit in filtered.hits] == expected
    assert filtered.total == len(expected)


def test_inputs_are_never_among_the_answers(search: Search) -> None:
    answer = search.find(Query("movies", movies=(FILM, FILM), avoid_movies=("alien-1979",), limit=1000))
    assert answer.total == 368
    assert {FILM, "alien-1979"} & {hit.id for hit in answer.hits} == set()


def test_avoid_pushes_away(search: Search) -> None:
    plain = search.find(Query("movies", text="love story", limit=1000)).hits
    without = search.find(
        Query("movies", text="love story", avoid_text="war, soldiers, battle", limit=1000)
    ).hits

    def mean_rank(hits: tuple[object, ...]) -> float:
        ranks: list[int] = [hit.rank for hit in hits if "War" in hit.item.genres]  # type: ignore[attr-defined]
        return sum(ranks) / len(ranks)

    assert mean_rank(without) > mean_rank(plain) + 20


def mean_rank(search: Search, query: Query, ids: set[str]) -> float:
    hits = search.find(replace(query, limit=1000, explain=False, unique=False)).hits
    ranks: list[int] = [hit.rank for hit in hits if hit.id in ids]
    assert len(ranks) == len(ids)
    return sum(ranks) / len(ranks)


@pytest.mark.parametrize("avoided", ["the-sound-of-music-1965", "alien-1979", "psycho-1960"])
@pytest.mark.parametrize("target", MEDIA)
def test_what_fits_an_avoided_film_moves_down(search: Search, target: Medium, avoided: str) -> None:
    """Its own twenty best go down, whatever was asked for."""
    wanted = Query(target, tracks=(SONG,), text="a long road home")
    fits = {hit.id for hit in search.find(Query(target, movies=(avoided,), limit=20)).hits} - {SONG}
    without = replace(wanted, avoid_movies=(avoided,))
    assert mean_rank(search, without, fits) > mean_rank(search, wanted, fits) + 5


@pytest.mark.parametrize("target", MEDIA)
def test_what_fits_an_avoided_song_or_text_moves_down(search: Search, target: Medium) -> None:
    wanted = Query(target, movies=(FILM,))
    for avoided in (Query(target, tracks=(SONG,), limit=20), Query(target, text="jazz club", limit=20)):
        fits = {hit.id for hit in search.find(avoided).hits}
        without = replace(wanted, avoid_tracks=avoided.tracks, avoid_text=avoided.text)
        assert mean_rank(search, without, fits) > mean_rank(search, wanted, fits) + 5


def test_a_good_match_is_more_likely_real_than_not(search: Search) -> None:
    """Whether it is one hangs on the best of all hits, not on the page or its order."""
    seen = set()
    for year in range(1930, 2020, 5):
        query = Query("movies", tracks=(SONG,), filters=Filters(year_min=year, year_max=year), explain=False)
        answer = search.find(query)
        best = max(hit.score for hit in answer.hits)
        seen.add(best >= 0.5)
        assert answer.good_match == (best >= 0.5)
        assert search.find(replace(query, diversity=1.0)).good_match == answer.good_match
        assert search.find(replace(query, offset=1, limit=1)).good_match == answer.good_match
        assert search.find(replace(query, offset=5000)).good_match == answer.good_match
    assert seen == {True, False}


def test_nothing_left_by_the_filters_is_no_good_match(search: Search) -> None:
    answer = search.find(Query("movies", tracks=(SONG,), filters=Filters(year_min=2500)))
    assert (answer.total, answer.hits, answer.good_match) == (0, (), False)


@pytest.mark.parametrize("method", ["crosstune", "popularity"])
def test_a_method_that_the_version_lacks_says_how_to_get_it(search: Search, method: str) -> None:
    with pytest.raises(QueryError, match=f"{method} is not in this version.*--methods") as caught:
        search.find(Query("movies", tracks=(SONG,), method=method))
    assert caught.value.field == "method"


def test_words_find_what_they_say(search: Search) -> None:
    top = search.find(Query("movies", text="a spaceship crew hunted by an alien creature", limit=3)).hits
    assert "alien-1979" in {hit.id for hit in top}


def test_the_explanation_can_be_left_out(search: Search) -> None:
    hits = search.find(Query("movies", tracks=(SONG,), explain=False)).hits
    assert [hit.reasons for hit in hits] == [()] * 10


def test_an_empty_search_says_what_to_give(search: Search) -> None:
    with pytest.raises(QueryError, match="tracks, movies, text or items"):
        search.find(Query("movies", text="   "))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (Query("movies", tracks=("nope",)), "tracks"),
        (Query("movies", text="x", avoid_movies=("nope",)), "avoid.movies"),
    ],
)
def test_an_unknown_id_names_its_field(search: Search, query: Query, field: str) -> None:
    with pytest.raises(UnknownItem, match="nope") as caught:
        search.find(query)
    assert caught.value.field == field


def test_an_unknown_method_names_the_known_ones(search: Search) -> None:
    with pytest.raises(QueryError, match="known: segue"):
        search.find(Query("movies", text="x", method="magic"))


@pytest.mark.parametrize(
    "filters", [Filters(tempo_min=10), Filters(year_min=2000, year_max=1990), Filters(genres=("Dramma",))]
)
def test_a_filter_that_makes_no_sense_is_refused(search: Search, filters: Filters) -> None:
    with pytest.raises(BadFilter):
        search.find(Query("movies", text="x", filters=filters))


def test_past_the_end_there_is_an_empty_page(search: Search) -> None:
    answer = search.find(Query("movies", text="x", offset=5000))
    assert (answer.total, answer.hits) == (370, ())


def test_an_equal_query_gets_the_answer_in_memory(starter_indexes: Path) -> None:
    heard: list[tuple[str, float]] = []
    search = Search.open(starter_indexes, on_stage=lambda stage, seconds: heard.append((stage, seconds)))
    first = search.find(Query("movies", tracks=(SONG,)))
    assert [stage for stage, _ in heard] == ["prepare", "rank", "explain"]
    assert all(seconds > 0 for _, seconds in heard)
    assert search.find(Query("movies", tracks=(SONG,))) is first
    assert len(heard) == 3
    assert search.find(Query("movies", tracks=(SONG,), limit=9)).hits == first.hits[:9]
    assert len(heard) == 6
    search.close()


def test_a_long_page_is_made_anew_and_is_the_same(search: Search) -> None:
    query = Query("movies", tracks=(SONG,), limit=MOST_HITS + 1)
    assert search.find(query) == search.find(query)
    assert search.find(query) is not search.find(query)


def test_answers_in_memory_are_bounded_and_the_last_used_stay() -> None:
    cache: AnswerCache[str, int] = AnswerCache(kept_answers=2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(query) for query in ("a", "b", "c")] == [1, None, 3]
    assert len(cache) == 2


def test_an_input_that_the_filters_drop_does_not_count_twice(search: Search) -> None:
    """The total is what the filters leave, less the inputs among that."""
    old, new = Filters(year_max=1950), Filters(year_min=1951)
    everything = search.find(Query("movies", text="rain")).total
    for filters, less in ((old, 1), (new, 0)):
        some = search.find(Query("movies", text="rain", filters=filters)).total
        fewer = search.find(Query("movies", movies=(FILM,), filters=filters))
        assert fewer.total == some - less
        assert FILM not in {hit.id for hit in fewer.hits}
        everything -= some
    assert everything == 0
