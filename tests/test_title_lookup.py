"""What people type is matched in spite of accents, order, typos and decoration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.title_lookup import (
    QUERY_CHARS,
    Names,
    Query,
    list_grams,
    list_row_grams,
    make_bare,
    make_key,
    name_movie,
    name_track,
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("  Hello   World ", "hello world"),
        ("Beyoncé", "beyonce"),
        ("Sigur Rós – Hoppípolla", "sigur ros hoppipolla"),
        ("Mø & Bjørk", "mo and bjork"),
        ("Straße", "strasse"),
        ("Łódź Þór Æon", "lodz thor aeon"),
        ("İstanbul ılık", "istanbul ilik"),
        ("Don't / Don’t", "dont dont"),
        ("Guns N' Roses", "guns and roses"),
        ("Rock 'n' Roll", "rock and roll"),
        ("R.E.M.", "rem"),
        ("AC/DC", "ac dc"),
        ("P!nk", "pink"),
        ("Panic! At The Disco", "panic at the disco"),
        ("Ke$ha and A$AP Rocky", "kesha and asap rocky"),
        ("Song (feat. Rihanna)", "song rihanna"),
        ("Song ft Rihanna", "song rihanna"),
        ("Feature Film", "feature film"),
        ("Song - Remastered 2011", "song"),
        ("Song (2009 Digital Remaster)", "song"),
        ("Song (Remastered) - Live", "song live"),
        ("Song - 2011 Remaster", "song"),
        ("Alien³", "alien3"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "full width"),
        ("Ёлка й", "елка и"),
        ("Ελλάδα", "ελλαδα"),
        ("が", "が"),
        ("हिन्दी", "हिन्दी"),
        ("한국", "한국"),
        ("!!!", "!!!"),
        (" ? ", "?"),
        ("", ""),
        (" \t\n", ""),
        ("\ud800", ""),
    ],
)
def test_key(text: str, key: str) -> None:
    assert make_key(text) == key


@pytest.mark.parametrize(
    ("key", "bare"),
    [("the who", "who"), ("lord of the rings", "lord of rings"), ("the the", "the the"), ("theme", "theme")],
)
def test_bare_key(key: str, bare: str) -> None:
    assert make_bare(key) == bare


@given(st.text())
def test_key_is_stable(text: str) -> None:
    key = make_key(text)
    assert key == key.strip()
    assert "\n" not in key
    assert make_key(make_key(key)) == make_key(key)


@given(st.text(max_size=60), st.text(max_size=60))
def test_score_is_within_its_range(text: str, title: str) -> None:
    assert 0.0 <= Query.parse(text).score(name_track(title, [title, text], 1999)) <= 1.0


@given(st.text(min_size=1, max_size=60), st.text(max_size=20))
def test_exact_title_scores_one(title: str, artist: str) -> None:
    names = name_track(title, [artist], None)
    if names.titles and len(names.titles[0]) <= QUERY_CHARS:
        assert Query.parse(title).score(names) == 1.0


def test_names_of_a_song_have_its_core_title_and_every_artist() -> None:
    names = name_track("Get Lucky (feat. Pharrell) - Radio Edit", ["Daft Punk", "Pharrell"], 2013)
    assert names == Names(
        ("get lucky pharrell radio edit", "get lucky"), ("daft punk", "pharrell", "daft punk pharrell"), 2013
    )


def test_names_keep_a_bracket_that_opens_the_title() -> None:
    assert name_track("(I Can't Get No) Satisfaction", [], None).titles == ("i cant get no satisfaction",)


def test_names_of_a_film_have_the_original_title_once() -> None:
    assert name_movie("Spirited Away", "千と千尋の神隠し", 2001).titles == (
        "spirited away",
        "千と千尋の神隠し",
    )
    assert name_movie("Alien", "Alien", 1979).titles == ("alien",)


def test_grams_of_words_and_of_dense_scripts() -> None:
    assert list_grams("the cat") == {"  c", " ca", "cat", "at "}
    assert list_grams("千と") == {"=千", "=と", "=千と"}


def test_row_grams_mark_beginnings_and_the_year() -> None:
    grams = list_row_grams(Names(("the cat",), ("bob",), 1979))
    assert {gram for gram in grams if gram[0] in "^#"} == {
        *("^t", "^th", "^the", "^c", "^ca", "^cat", "^b", "^bo", "^bob", "#1979")
    }


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Alien 1979", Query("alien 1979", "alien", 1979)),
        ("1979 alien", Query("1979 alien", "alien", 1979)),
        ("(1979) Alien", Query("1979 alien", "alien", 1979)),
        ("1917", Query("1917")),
        ("Ocean's 1234", Query("oceans 1234")),
        ("!!", Query("!!")),
    ],
)
def test_parse(text: str, query: Query) -> None:
    assert Query.parse(text) == query


def test_parse_cuts_a_long_text() -> None:
    assert Query.parse("x" * 100_000).key == "x" * QUERY_CHARS
    assert Query.parse("").grams() == set()


QUEEN = name_track("Bohemian Rhapsody - Remastered 2011", ["Queen"], 1975)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("bohemian rhapsody", 1.0),
        ("Bohemian Rhapsody Queen", 1.0),
        ("queen - bohemian rhapsody", 1.0),
        ("the bohemian rhapsody", 0.99),
        ("queen", 0.95),
        ("bohemian rhapsody qu", 0.94),
        ("bohem", 0.9),
        ("b", 0.9),
        ("rhaps", 0.88),
        ("que", 0.85),
        ("rhapsody queen", 0.84),
    ],
)
def test_literal_matches_have_fixed_scores(text: str, score: float) -> None:
    assert Query.parse(text).score(QUEEN) == score


def test_typos_cost_little_and_nonsense_scores_low() -> None:
    assert Query.parse("bohemain rapsody quen").score(QUEEN) > 0.88
    assert Query.parse("quen bohemain rapsody").score(QUEEN) > 0.88
    assert Query.parse("zzkw pvvt jjyx").score(QUEEN) < 0.4


def test_exact_title_beats_a_longer_one_and_an_other_recording() -> None:
    query = Query.parse("alien")
    assert query.score(name_movie("Alien", None, 1979)) == 1.0
    assert query.score(name_movie("Aliens", None, 1986)) == 0.9
    assert query.score(name_movie("Alien: Covenant", None, 2017)) == 0.9
    assert query.score(name_track("Alien - Live", [], None)) == 0.97


def test_year_decides_between_films_of_one_title() -> None:
    query = Query.parse("dune 1984")
    scores = [query.score(name_movie("Dune", None, year)) for year in (1984, 1985, None, 2021)]
    assert scores == [1.0, 0.96, 0.9, 0.8]
    assert Query.parse("blade runner 2049").score(name_movie("Blade Runner 2049", None, 2017)) == 1.0


def test_second_artist_is_enough() -> None:
    names = name_track("Under Pressure", ["Queen", "David Bowie"], None)
    for text in (
        "under pressure david bowie",
        "david bowie under pressure",
        "queen david bowie under pressure",
    ):
        assert Query.parse(text).score(names) == 1.0


def test_part_of_an_artist_and_a_mistyped_article() -> None:
    names = name_track("Heroes", ["David Bowie"], None)
    assert Query.parse("bowie").score(names) == 0.82
    assert Query.parse("teh letter").score(name_track("The Letter", [], None)) > 0.85


def test_words_run_together() -> None:
    assert Query.parse("helloadele").score(name_track("Hello", ["Adele"], None)) > 0.9
    assert Query.parse("spiderman").score(name_movie("Spider-Man", None, 2002)) > 0.9
