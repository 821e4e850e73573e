"""Reasons over the starter catalogue: they are the score, and what they name is what made it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.catalogue.records import Medium
from indexer.features.words import KEPT, NONE, read_words
from indexer.index_version import IndexVersion, open_version
from indexer.knowledge.vocabulary import vocabulary
from indexer.space import MEDIA, Dials
from server.explain import PROFILE, Reason, name_shared
from server.search import Query, Search

FILM, SONG = "casablanca-1942", "stevie-wonder-superstition"
TERMS = {PROFILE, "feeling", "meaning", "learned", "dials", "hub"}
FILMS, SONGS = 370, 985


@pytest.fixture(scope="module")
def version(starter_indexes: Path) -> Iterator[IndexVersion]:
    opened = open_version(starter_indexes)
    yield opened
    opened.close()


TURNS = st.sampled_from([0.0, 0.3, -1.0])


def order_of(reason: Reason) -> tuple[bool, float]:
    """Words that both share come first, then what adds most."""
    return reason.term != PROFILE or reason.value <= 0, -reason.value


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.sampled_from(MEDIA),
    films=st.lists(st.integers(0, FILMS - 1), max_size=3, unique=True),
    songs=st.lists(st.integers(0, SONGS - 1), max_size=3, unique=True),
    text=st.sampled_from(["", "neon rain, lonely", "cosy, not sad"]),
    avoided=st.tuples(st.lists(st.integers(0, FILMS - 1), max_size=1), st.sampled_from(["", "jazz"])),
    dials=st.builds(Dials, TURNS, TURNS, TURNS),
    offset=st.integers(0, 900),
)
def test_reasons_add_up_to_the_raw_score(
    version: IndexVersion,
    search: Search,
    target: Medium,
    films: list[int],
    songs: list[int],
    text: str,
    avoided: tuple[list[int], str],
    dials: Dials,
    offset: int,
) -> None:
    query = Query(
        target,
        movies=tuple(film.id for film in version.store.movies(films)),
        tracks=tuple(song.id for song in version.store.tracks(songs)),
        text=text if films or songs else "a long road home",
        avoid_movies=tuple(film.id for film in version.store.movies(avoided[0])),
        avoid_text=avoided[1],
        dials=dials,
        offset=offset,
        limit=20,
    )
    for hit in search.find(query).hits:
        values = [reason.value for reason in hit.reasons]
        terms = [reason.term for reason in hit.reasons]
        assert sum(values) == pytest.approx(hit.raw_score, abs=1e-5)
        assert list(hit.reasons) == sorted(hit.reasons, key=order_of)
        assert len(set(terms)) == len(terms)
        assert set(terms) <= TERMS
        assert 0.0 not in values


@pytest.mark.parametrize(("source", "target"), [("tracks", "movies"), ("movies", "tracks")])
def test_taking_away_what_a_hit_rests_on_lowers_its_score(
    version: IndexVersion, search: Search, source: Medium, target: Medium
) -> None:
    """Of three inputs the one that fits a hit best goes; as scores are means, the hit must then score lower."""

    def find(ids: list[str], limit: int) -> Query:
        movies, tracks = (tuple(ids) if source == medium else () for medium in MEDIA)
        return Query(target, movies=movies, tracks=tracks, limit=limit, explain=False, unique=False)

    def scores(ids: list[str]) -> dict[str, float]:
        return {hit.id: hit.raw_score for hit in search.find(find(ids, 1000)).hits}

    rng = np.random.default_rng(1)
    for _ in range(10):
        ids = version.store.ids(source, rng.choice(version.indexes[source].size, 3, replace=False).tolist())
        ids = list(ids)
        whole, single = scores(ids), [scores([id]) for id in ids]
        for hit in search.find(find(ids, 10)).hits:
            fits = [some[hit.id] for some in single]
            assert whole[hit.id] == pytest.approx(sum(fits) / 3, abs=1e-5)
            gone = fits.index(max(fits))
            assert hit.based_on == ids[gone]
            assert scores(ids[:gone] + ids[gone + 1 :])[hit.id] < whole[hit.id]


@pytest.mark.parametrize(("source", "target"), [("tracks", "movies"), ("movies", "tracks")])
def test_reasons_equal_a_plain_reading_of_the_terms(
    version: IndexVersion, search: Search, source: Medium, target: Medium
) -> None:
    """What is computed for a page at once, again for each hit alone and by the plainest way."""
    space, words, named = version.space, vocabulary(), 0
    names = [block.name for block in space.blocks]
    for row in np.random.default_rng(3).choice(version.indexes[source].size, 15, replace=False).tolist():
        [id] = version.store.ids(source, [row])
        asked = space.queries(version.indexes[source].vectors([row]))[0]
        query = Query(target, movies=(id,)) if source == "movies" else Query(target, tracks=(id,))
        for hit in search.find(query).hits:
            place = version.store.row(target, hit.id)
            terms = space.terms(asked, version.indexes[target].vectors([place]))[0].tolist()
            values = dict(zip(names, terms, strict=True))
            values[PROFILE] = sum(values.pop(name) for name in ("moods", "music", "scenes", "era"))
            given = {reason.term: reason for reason in hit.reasons}
            assert {term: reason.value for term, reason in given.items()} == pytest.approx(
                {term: value for term, value in values.items() if value != 0}, abs=1e-6
            )
            assert hit.raw_score == pytest.approx(sum(values.values()), abs=1e-5)
            if given[PROFILE].value <= 0:
                assert given[PROFILE].text == "their moods, music and scenes differ"
            elif given[PROFILE].text.startswith("both: "):
                said = given[PROFILE].text.removeprefix("both: ").replace(" · ", ", ").split(", ")
                for medium, at in ((source, row), (target, place)):
                    own = {words.words[word] for word in version.words[medium][at].tolist() if word != NONE}
                    assert set(said) <= own
                named += 1
    assert named > 15


def test_a_term_that_counts_against_a_hit_says_so(search: Search) -> None:
    said: dict[tuple[str, bool], set[str]] = {}
    for query in (Query("movies", tracks=(SONG,), limit=300), Query("tracks", movies=(FILM,), limit=500)):
        for hit in search.find(query).hits:
            for reason in hit.reasons:
                if reason.term != PROFILE:
                    said.setdefault((reason.term, reason.value < 0), set()).add(reason.text)
    assert {term for term, _ in said} == TERMS - {PROFILE}
    # One sentence for, another against.
    assert all(len(texts) == 1 for texts in said.values())
    assert len({text for texts in said.values() for text in texts}) == len(said)


def test_a_known_soundtrack_is_marked_and_not_ranked_by_it(version: IndexVersion, search: Search) -> None:
    facts = {fact.row for fact in version.soundtracks.of("movies", version.store.row("movies", FILM))}
    hits = search.find(Query("tracks", movies=(FILM,), limit=900, unique=False)).hits
    assert facts
    assert {version.store.row("tracks", hit.id) for hit in hits if hit.heard} == facts


# --- words that are shared -----------------------------------------------------------------------------------


def words_of(**said: list[str]) -> list[int]:
    """A row of words, as a version keeps them."""
    known, row = vocabulary(), []
    for group, kept in KEPT.items():
        places = [known.place(group, word) for word in said.get(group, [])]
        row += places + [NONE] * (kept - len(places))
    return row


def test_shared_words_are_named_by_group_and_the_strongest_of_them_only() -> None:
    known = vocabulary()
    moods, music, scenes = (
        list(known.words[known.columns[group].start :][:5]) for group in ("moods", "music", "scenes")
    )
    decade = known.words[known.columns["decades"].start]
    hit = words_of(moods=moods, music=music[:2], scenes=scenes[:1], decades=[decade])
    row = np.array(hit, dtype=np.uint16)
    own = set(words_of(moods=moods[1:], music=music[1:3], scenes=scenes[1:], decades=[decade])) - {NONE}
    assert name_shared(own, row) == f"{', '.join([*moods[1:4], music[1]])} · {decade}"
    assert read_words(row) == {"moods": moods, "music": music[:2], "scenes": scenes[:1], "decades": [decade]}


def test_a_decade_alone_is_no_reason_and_nothing_shared_is_nothing_said() -> None:
    known = vocabulary()
    decade = known.words[known.columns["decades"].start]
    row = np.array(words_of(decades=[decade]), dtype=np.uint16)
    assert name_shared({known.place("decades", decade)}, row) == ""
    assert name_shared(set(), row) == ""
