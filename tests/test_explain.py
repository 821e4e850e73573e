"""Reasons over the starter catalogue: they are the score, and what they name is what made it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.catalogue.records import Medium
from indexer.features.mood_scale import describe_mood
from indexer.index_version import IndexVersion, open_version
from indexer.space import MEDIA, Dials
from server.explain import _describe
from server.search import Query, Search

FILM, SONG = "casablanca-1942", "stevie-wonder-superstition"
TERMS = {"text", "themes", "mood", "emotion", "learned", "dials", "hub", "names"}
FILMS, SONGS = 370, 985


@pytest.fixture(scope="module")
def version(starter_indexes: Path) -> Iterator[IndexVersion]:
    opened = open_version(starter_indexes)
    yield opened
    opened.close()


TURNS = st.sampled_from([0.0, 0.3, -1.0])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.sampled_from(MEDIA),
    films=st.lists(st.integers(0, FILMS - 1), max_size=3, unique=True),
    songs=st.lists(st.integers(0, SONGS - 1), max_size=3, unique=True),
    text=st.sampled_from(["", "neon rain, lonely"]),
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
        assert values == sorted(values, reverse=True)
        assert len(set(terms)) == len(terms)
        assert set(terms) <= TERMS
        assert 0.0 not in values
        assert ("dials" in terms) <= (dials != Dials())


def test_names_are_a_reason_and_say_which(search: Search) -> None:
    """A song and the film that is called like it."""
    hits = search.find(Query("movies", tracks=("ben-e-king-stand-by-me",), limit=370)).hits
    named = [(hit, reason) for hit in hits for reason in hit.reasons if reason.term == "names"]
    assert named
    for hit, reason in named:
        said = reason.text.removeprefix("named by both: ")
        assert said != reason.text
        assert reason.value > 0
        said_of_film = f"{hit.item.title} {hit.item.overview} {' '.join(hit.item.keywords)}".casefold()  # type: ignore[union-attr]
        assert any(word in said_of_film for word in said.split(", "))


def test_a_known_pair_is_named_and_is_one_of_the_known(version: IndexVersion, search: Search) -> None:
    known = {
        f"as “{song.title}” stands in “{film.title}”"
        for film, song in zip(
            version.store.movies(version.pairs[:, 0].tolist()),
            version.store.tracks(version.pairs[:, 1].tolist()),
            strict=True,
        )
    }
    said = {
        reason.text
        for query in (Query("movies", tracks=(SONG,)), Query("tracks", movies=(FILM,)))
        for hit in search.find(query).hits
        for reason in hit.reasons
        if reason.term == "learned"
    }
    assert said
    assert said <= known


def test_the_text_names_words_of_both(search: Search) -> None:
    for hit in search.find(Query("movies", text="war, love", limit=20)).hits:
        text = next(reason.text for reason in hit.reasons if reason.term == "text")
        words = {word.casefold() for word in (*hit.item.genres, *hit.item.keywords)}  # type: ignore[union-attr]
        shared = sorted({"war", "love"} & words)
        assert text == (f"shared: {', '.join(shared)}" if shared else "alike in what their descriptions mean")


def scores_without_what_counts(
    version: IndexVersion, search: Search, source: Medium, target: Medium, rows: list[int]
) -> list[tuple[str, float, float]]:
    """For each hit of several inputs: its first reason, its score, and that without the input that adds most to it."""
    items = version.store.movies(rows) if source == "movies" else version.store.tracks(rows)
    ids = tuple(item.id for item in items)
    singly = version.space.queries(source, version.indexes[source].vectors(rows), target)
    names = [block.name for block in version.space.blocks]
    found = []
    for hit in search.find(Query(target, **{source: ids})).hits:  # type: ignore[arg-type]
        first = hit.reasons[0].term
        place = version.store.row(target, hit.id)
        if first == "names":
            asked = [version.names.combine([(source, row)]) for row in rows]
            added = [version.names.value(one, target, np.array([place]))[0] for one in asked]
        else:
            item = version.indexes[target].vectors([place])
            added = [version.space.terms(one, item)[0, names.index(first)] for one in singly]
        gone = int(np.argmax(added))
        left = Query(
            target,
            **{source: ids[:gone] + ids[gone + 1 :]},  # type: ignore[arg-type]
            limit=1000,
            explain=False,
        )
        after = {other.id: other.score for other in search.find(left).hits}
        found.append((first, hit.score, after[hit.id]))
    return found


@pytest.mark.parametrize(("source", "target"), [("tracks", "movies"), ("movies", "tracks")])
def test_taking_away_what_a_hit_rests_on_lowers_its_score(
    version: IndexVersion, search: Search, source: Medium, target: Medium
) -> None:
    """Of three inputs the one that fits a hit best goes; as scores are means, the hit must then score lower."""
    rng = np.random.default_rng(1)
    for _ in range(10):
        rows = rng.choice(version.indexes[source].size, 3, replace=False).tolist()
        items = version.store.movies(rows) if source == "movies" else version.store.tracks(rows)
        ids = [item.id for item in items]
        whole, *single = (
            {hit.id: hit.raw_score for hit in search.find(query).hits}
            for query in (
                Query(target, **{source: tuple(some)}, limit=1000, explain=False)  # type: ignore[arg-type]
                for some in (ids, *([id] for id in ids))
            )
        )
        based_on = {
            hit.id: hit.based_on
            for hit in search.find(Query(target, **{source: tuple(ids)}, limit=10, explain=False)).hits  # type: ignore[arg-type]
        }
        for hit in list(whole)[:10]:
            fits = [scores[hit] for scores in single]
            assert whole[hit] == pytest.approx(sum(fits) / 3, abs=1e-5)
            gone = fits.index(max(fits))
            assert based_on[hit] == ids[gone]
            left = Query(target, **{source: tuple(ids[:gone] + ids[gone + 1 :])}, limit=1000, explain=False)  # type: ignore[arg-type]
            after = {other.id: other.raw_score for other in search.find(left).hits}
            assert after[hit] < whole[hit]


def test_taking_away_what_a_reason_rests_on_lowers_the_score(version: IndexVersion, search: Search) -> None:
    """Of three inputs the one that adds most to a hit's first reason goes; nine hits in ten then score lower."""
    rng = np.random.default_rng(0)
    ways: list[tuple[Medium, Medium]] = [("tracks", "movies"), ("movies", "tracks")]
    found = [
        hit
        for source, target in ways
        for _ in range(60)
        for hit in scores_without_what_counts(
            version,
            search,
            source,
            target,
            rng.choice(version.indexes[source].size, 3, replace=False).tolist(),
        )
    ]
    assert len(found) == 1200
    assert np.mean([after < before for _, before, after in found]) >= 0.9
    # Names rest on one input more surely than anything else does.
    assert np.mean([after < before for first, before, after in found if first == "names"]) >= 0.95
    assert {"names", "learned"} <= {first for first, _, _ in found}


@pytest.mark.parametrize(("source", "target"), [("tracks", "movies"), ("movies", "tracks")])
def test_reasons_equal_a_plain_reading_of_the_terms(
    version: IndexVersion, search: Search, source: Medium, target: Medium
) -> None:
    """What is computed for a page at once, again for each hit alone and by the plainest way."""
    space, block = version.space, version.space.block("learned")
    sides = {
        medium: version.indexes[medium].vectors(version.pairs[:, column].tolist())[
            :, block.start : block.stop
        ]
        for column, medium in enumerate(MEDIA)
    }
    seen = set()
    for row in np.random.default_rng(3).choice(version.indexes[source].size, 15, replace=False).tolist():
        items = version.store.movies([row]) if source == "movies" else version.store.tracks([row])
        asked = space.queries(source, version.indexes[source].vectors([row]), target)[0]
        names = version.names.combine([(source, row)])
        for hit in search.find(Query(target, **{source: (items[0].id,)}, limit=7)).hits:  # type: ignore[arg-type]
            place = version.store.row(target, hit.id)
            vector = version.indexes[target].vectors([place])
            values = dict(
                zip([b.name for b in space.blocks], space.terms(asked, vector)[0].tolist(), strict=True)
            )
            values["names"] = space.names_weight * float(
                version.names.value(names, target, np.array([place]))[0]
            )
            given = {reason.term: reason for reason in hit.reasons}
            assert {term: reason.value for term, reason in given.items()} == pytest.approx(
                {term: value for term, value in values.items() if value != 0}, abs=1e-6
            )
            assert hit.raw_score == pytest.approx(sum(values.values()), abs=1e-5)
            learned = vector[0, block.start : block.stop]
            likeness = sides[target] @ learned + sides[source] @ asked[block.start : block.stop]
            film, song = version.pairs[int(likeness.argmax())].tolist()
            titles = version.store.tracks([song])[0].title, version.store.movies([film])[0].title
            if given["learned"].value > 0:
                assert given["learned"].text == "as “{}” stands in “{}”".format(*titles)
            moods = version.moods[source][row], version.moods[target][place]
            same = float(np.abs(moods[0] - moods[1]).max()) < 0.2
            said = describe_mood(*((moods[0] + moods[1]) / 2 if same else moods[1]).tolist())
            if "mood" in given and given["mood"].value > 0:
                assert given["mood"].text == f"{'both' if same else 'mood:'} {said}"
            seen.add(same)
    assert seen == {True, False}


@given(st.floats(0, 1), st.floats(0, 1))
def test_moods_looked_up_are_said_as_they_are(valence: float, arousal: float) -> None:
    assert _describe(valence, arousal) == describe_mood(valence, arousal)
    assert _describe(np.nan, arousal) == describe_mood(np.nan, arousal)
    assert _describe(np.nan, np.nan) == "of unknown mood"
