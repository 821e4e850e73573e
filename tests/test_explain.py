"""Reasons over the starter catalogue: they are the score, and what they name is what made it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.catalogue.records import Medium
from indexer.index_version import IndexVersion, open_version
from indexer.space import MEDIA, Dials
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
    hits = search.find(Query("movies", tracks=("simple-minds-dont-you-forget-about-me",), limit=370)).hits
    named = [
        (hit, reason)
        for hit in hits
        for reason in hit.reasons
        if reason.term == "names"
    ]
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


@pytest.mark.parametrize(("source", "target"), [("tracks", "movies"), ("movies", "tracks")])
def test_taking_away_what_a_reason_rests_on_lowers_the_score(
    version: IndexVersion, search: Search, source: Medium, target: Medium
) -> None:
    """Of three inputs the one that adds most to a hit's first reason goes; the hit then scores lower."""
    rng = np.random.default_rng(11)
    names = [block.name for block in version.space.blocks]
    lowered, firsts = [], set()
    for _ in range(15):
        rows = rng.choice(version.indexes[source].size, 3, replace=False).tolist()
        items = version.store.movies(rows) if source == "movies" else version.store.tracks(rows)
        ids = tuple(item.id for item in items)
        singly = version.space.queries(source, version.indexes[source].vectors(rows), target)
        whole = Query(target, **{source: ids})  # type: ignore[arg-type]
        for hit in search.find(whole).hits:
            first = hit.reasons[0].term
            place = version.store.row(target, hit.id)
            if first == "names":
                added = [
                    version.names.value(version.names.combine([(source, row)]), target, np.array([place]))[0]
                    for row in rows
                ]
            else:
                item = version.indexes[target].vectors([place])
                added = [version.space.terms(one, item)[0, names.index(first)] for one in singly]
            gone = int(np.argmax(added))
            left = replace(whole, **{source: ids[:gone] + ids[gone + 1 :]}, limit=1000, explain=False)
            after = {other.id: other.score for other in search.find(left).hits}
            lowered.append(after[hit.id] < hit.score)
            firsts.add(first)
    assert np.mean(lowered) >= 0.9
    assert {"names", "learned"} <= firsts
