"""The written knowledge: every table parses, says each thing once, and uses the words of the vocabulary only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable

import numpy as np
import pytest

from indexer.errors import InputError
from indexer.features.matching import is_kept_out
from indexer.knowledge import tables
from indexer.knowledge.tables import FilmKey, SongKey, film_key, name_key, song_key
from indexer.knowledge.vocabulary import FOLDER, GROUPS, NUMBERS, vocabulary

PROFILES = ["films", "songs", "artists", "genres"]


def profiles_of(name: str) -> tables.Profiles[FilmKey] | tables.Profiles[SongKey] | tables.Profiles[str]:
    found: tables.Profiles[FilmKey] | tables.Profiles[SongKey] | tables.Profiles[str]
    found = getattr(tables, name)()
    return found


def repeated(values: Iterable[Hashable]) -> list[Hashable]:
    return [value for value, count in Counter(values).items() if count > 1]


# --- the vocabulary ------------------------------------------------------------------------------------------


def test_the_groups_of_the_vocabulary_follow_one_another_and_say_each_word_once() -> None:
    known, start = vocabulary(), 0
    for group in GROUPS:
        columns = known.columns[group]
        words = known.words[columns]
        assert columns.start == start < columns.stop
        assert repeated(words) == []
        assert [known.place(group, word) for word in words] == list(range(start, columns.stop))
        start = columns.stop
    assert start == len(known.words) == known.numbers.start
    assert known.width == start + len(NUMBERS)


def test_no_word_of_the_vocabulary_would_break_a_list_in_a_cell() -> None:
    assert all(word and word == word.strip() and "|" not in word for word in vocabulary().words)


def test_a_profile_is_written_by_hand() -> None:
    known = vocabulary()
    first, second = known.words[:2]
    decades = known.words[known.columns["decades"]][:2]
    profile = known.write({"moods": [second, first], "decades": decades}, [5.0, None, 10.0])
    # The strongest word comes first, each further one says 0.88 of the one before; decades all say the same.
    assert profile[known.place("moods", second)] == 1.0
    assert profile[known.place("moods", first)] == pytest.approx(0.88)
    assert [profile[known.place("decades", decade)] for decade in decades] == [1.0, 1.0]
    assert profile[: known.numbers.start].sum() == pytest.approx(3.88)
    assert [profile[-3], profile[-1]] == [0.5, 1.0]
    assert math.isnan(profile[-2])
    assert known.strongest("moods", profile, 5) == [second, first]
    assert known.strongest("moods", profile, 5, least=0.9) == [second]
    assert known.strongest("moods", profile, 1) == [second]


def test_a_word_of_another_group_is_refused() -> None:
    with pytest.raises(InputError, match="not one of the decades"):
        vocabulary().place("decades", vocabulary().words[0])


@pytest.mark.parametrize("number", ["11", "-1", "loud"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    row = dict.fromkeys(GROUPS, "") | {"energy": number, "valence": "", "acoustic": "5"}
    with pytest.raises(InputError, match="from 0 to 10"):
        tables.profile_of(row)


# --- keys ----------------------------------------------------------------------------------------------------


def test_films_are_keyed_by_folded_title_and_year() -> None:
    assert film_key("Amélie!", "2001") == FilmKey("amelie", 2001) == film_key("AMELIE", 2001)
    with pytest.raises(InputError, match="not a year"):
        film_key("Amélie", "01")


def test_songs_are_keyed_without_what_follows_a_dash_or_stands_in_brackets() -> None:
    key = SongKey("heroes", "david bowie")
    for title in ("Heroes", "“Heroes” - 2017 Remaster", "Heroes (Live)"):
        assert song_key(title, "David Bowie") == key
    # A title that is nothing but brackets stays as it is.
    assert song_key("(Sittin' On)", "Otis Redding").title != ""


def test_hyphens_and_spaces_of_names_are_one() -> None:
    assert name_key("Hip-Hop") == name_key("hip hop") == "hip hop"


# --- the tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_whole(name: str) -> None:
    written = profiles_of(name)
    words = len(vocabulary().words)
    assert repeated(written.keys) == []
    assert [row for key, row in written.rows.items()] == list(range(len(written.keys)))
    assert written.values.shape == (len(written.keys), vocabulary().width)
    assert set(written.weights.tolist()) <= {np.float32(sure).item() for sure in tables.SURE.values()}
    numbers = written.values[:, words:]
    assert np.all(np.isnan(numbers) | ((numbers >= 0.0) & (numbers <= 1.0)))
    # Each row says something, and says it in words as well.
    assert [key for key, row in zip(written.keys, written.values, strict=True) if not row[:words].any()] == []
    assert [
        key for key, phrase in zip(written.keys, written.phrases, strict=True) if not phrase.strip()
    ] == []


@pytest.mark.parametrize("name", ["feel_pairs", "soundtrack_facts"])
def test_pairs_are_there_once_and_have_a_strength(name: str) -> None:
    pairs: tuple[tables.Pair, ...] = getattr(tables, name)()
    assert repeated((pair.film, pair.song) for pair in pairs) == []
    assert {pair.strength for pair in pairs} <= {1, 2, 3}
    assert [pair for pair in pairs if not (pair.film.title and pair.song.title and pair.song.artist)] == []


def test_mood_texts_are_there_once_and_their_works_belong_to_them() -> None:
    texts = tables.mood_texts()
    assert repeated(mood.text for mood in texts) == []
    works = list(tables.read_table(FOLDER / "mood_text_works.csv"))
    assert {row["text"] for row in works} <= {mood.text for mood in texts}
    assert {row["target"] for row in works} <= {"movies", "tracks"}
    for mood in texts:
        assert repeated(mood.films) == repeated(mood.songs) == [], mood.text
        assert not np.isnan(mood.unwanted).any()


def test_what_mood_texts_avoid_are_words_of_the_vocabulary() -> None:
    known = set(vocabulary().words)
    for row in tables.read_table(FOLDER / "mood_texts.csv"):
        assert [word for word in tables.split(row["avoid"]) if word not in known] == [], row["text"]


def test_a_name_stands_for_one_thing() -> None:
    references = tables.references()
    assert repeated(name for reference in references for name in reference.names) == []
    for reference in references:
        assert all(reference.names)
        assert reference.phrase.strip()
        assert reference.profile[: len(vocabulary().words)].any()


# --- what is kept out ----------------------------------------------------------------------------------------


def test_about_a_tenth_of_films_and_artists_is_kept_out_and_always_the_same() -> None:
    films = [is_kept_out(FilmKey(f"film {number}", 1950 + number % 70)) for number in range(5000)]
    artists = [is_kept_out(f"artist {number}") for number in range(5000)]
    assert [0.08 < np.mean(kept) < 0.12 for kept in (films, artists)] == [True, True]
    assert films == [is_kept_out(FilmKey(f"film {number}", 1950 + number % 70)) for number in range(5000)]
    for written in (tables.films(), tables.artists()):
        assert 0.05 < np.mean([is_kept_out(key) for key in written.keys]) < 0.15
