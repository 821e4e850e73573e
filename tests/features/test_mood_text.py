"""Texts taken apart and understood: what is wanted, what is not, and the names that stand for something."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.features.mood_text import TextReader, make_sense, read_wish
from indexer.features.ridge import LowRankRidge
from indexer.knowledge import tables
from indexer.knowledge.vocabulary import vocabulary

Floats = npt.NDArray[np.float32]


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("not sad, no rain, happy beach", "happy beach", ("sad", "rain")),
        ("cosy but not too slow", "cosy", ("slow",)),
        ("happy without any rain", "happy", ("rain",)),
        ("a beach at night; nothing too loud", "a beach at night", ("loud",)),
        ("anything but jazz", "", ("jazz",)),
        ("not sad", "", ("sad",)),
        ("winter, not sad, not sad", "winter", ("sad",)),
        ("regnerisch, nicht traurig", "regnerisch", ("traurig",)),
        ("ein Abend ohne Regen", "ein Abend", ("Regen",)),
        ("une plage, sans pluie", "une plage", ("pluie",)),
        ("una playa, sin lluvia", "una playa", ("lluvia",)),
        ("something is not right", "something is not right", ()),
        ("a quiet winter evening", "a quiet winter evening", ()),
        ("a notebook, a nobleman", "a notebook, a nobleman", ()),
        ("", "", ()),
    ],
)
def test_what_is_not_wanted_is_taken_out(text: str, wanted: str, unwanted: tuple[str, ...]) -> None:
    wish = read_wish(text)
    assert (wish.wanted, wish.unwanted) == (wanted, unwanted)


@settings(deadline=None)  # the first text reads the knowledge
@given(st.text(max_size=80))
def test_any_text_is_taken_apart(text: str) -> None:
    wish = read_wish(text)
    assert all(part == part.strip() for part in wish.unwanted)
    assert len(set(wish.unwanted)) == len(wish.unwanted)
    assert 0.0 <= make_sense(text) <= 1.0


def test_words_make_sense_and_gibberish_makes_none() -> None:
    assert make_sense("a happy night at the beach") == 1.0
    assert make_sense("xkcdq zzghw qqplm") == 0.0
    assert make_sense("") == make_sense("12 !? x") == 0.0
    # One word in four is known: half of what makes full sense.
    assert make_sense("night xkcdq zzghw qqplm") == pytest.approx(0.5)


# --- names ---------------------------------------------------------------------------------------------------


def stands_for_nothing(name: str) -> bool:
    return name.isascii() and not read_wish(name).references


def plain_artist() -> str:
    """An artist of several words, none of which stands for something else."""
    return next(key for key in tables.artists().keys if len(key.split()) == 2 and stands_for_nothing(key))


def plain_film() -> str:
    titles = (key.title for key in tables.films().keys)
    return next(title for title in titles if len(title.split()) == 3 and stands_for_nothing(title))


def test_a_name_of_the_knowledge_stands_for_what_is_written_of_it() -> None:
    for reference in tables.references()[:20]:
        # One word by itself may be an ordinary one.
        for name in (name for name in reference.names if " " in name):
            assert reference in read_wish(f"{name.title()}, at night").references


def test_what_follows_like_is_a_film_or_an_artist() -> None:
    artists, name = tables.artists(), plain_artist()
    [found] = read_wish(f"slow songs like {name.upper()}").references
    assert found.names == (name,)
    assert found.phrase == artists.phrases[artists.rows[name]]
    title = plain_film()
    assert [one.names for one in read_wish(f"something like {title}").references] == [(title,)]


def test_a_film_or_an_artist_is_named_by_nothing_else() -> None:
    assert read_wish(f"slow songs {plain_artist()}").references == ()


# --- reading -------------------------------------------------------------------------------------------------


def encode(texts: list[str]) -> Floats:
    """Texts about the beach along the first axis, the others along the second."""
    return np.array([[1.0, 0.0] if "beach" in text else [0.0, 1.0] for text in texts], dtype=np.float32)


def make_reader() -> TextReader:
    """The first word of a profile is said of beaches, the second of all else; texts are at 0.25 on the whole."""
    width = vocabulary().width
    outer = np.zeros((2, width + 2), dtype=np.float16)
    outer[0, 0] = outer[1, 1] = 1.0
    nothing = np.zeros(width + 2, dtype=np.float32)
    model = LowRankRidge(np.zeros(2, dtype=np.float32), np.eye(2, dtype=np.float16), outer, nothing)
    return TextReader(model, np.full(width + 2, 0.25, dtype=np.float32))


def test_a_text_is_read_with_what_it_does_not_want() -> None:
    found = make_reader().understand("happy beach, not sad", encode)
    assert found.profile[:3].tolist() == [1.0, 0.0, 0.0]
    assert found.meaning.tolist() == [1.0, 0.0]
    assert found.unwanted_profile[:3].tolist() == [0.0, 1.0, 0.0]
    assert found.unwanted_meaning.tolist() == [0.0, 1.0]
    assert found.sense == 1.0


def test_several_unwanted_things_are_averaged() -> None:
    found = make_reader().understand("a quiet night, not sad, no beach", encode)
    assert found.unwanted_profile[:3].tolist() == [0.5, 0.5, 0.0]
    assert found.unwanted_meaning.tolist() == [0.5, 0.5]


def test_a_text_that_only_says_what_it_does_not_want_wants_what_texts_want_on_the_whole() -> None:
    found = make_reader().understand("not sad", encode)
    assert set(found.profile.tolist()) == {0.25}
    assert found.meaning.tolist() == pytest.approx([0.5**0.5] * 2)
    assert found.unwanted_meaning.tolist() == [0.0, 1.0]


def test_a_text_that_wants_all_it_says_has_nothing_against_it() -> None:
    reader = make_reader()
    found, plain = reader.understand("happy beach", encode), reader.plain(encode(["beach"])[0])
    for one in (found, plain):
        assert one.profile[:3].tolist() == [1.0, 0.0, 0.0]
        assert not one.unwanted_profile.any()
        assert not one.unwanted_meaning.any()
    assert plain.meaning.tolist() == found.meaning.tolist()


def test_a_name_counts_beside_the_other_words() -> None:
    artists, name = tables.artists(), plain_artist()
    about = artists.values[artists.rows[name]]
    found = make_reader().understand(f"xkcdq zzghw qqplm like {name}", encode)
    words = len(vocabulary().words)
    own = np.zeros(words)
    own[1] = 1.0
    # What is written of the name counts six tenths; whoever names something makes sense.
    np.testing.assert_allclose(found.profile[:words], 0.4 * own + 0.6 * about[:words], atol=1e-6)
    assert not np.isnan(found.profile).any()
    assert found.sense == 1.0


def test_profiles_stay_within_0_and_1() -> None:
    far = make_reader().profiles(np.array([[9.0, -9.0]], dtype=np.float32))
    assert far.shape == (1, vocabulary().width)
    assert far[0, :2].tolist() == [1.0, 0.0]
