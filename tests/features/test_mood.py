"""Mood of films and songs: stated answers on made-up rows, and floors against people's labels."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.catalogue.records import MOVIE_COLUMNS, TRACK_COLUMNS
from indexer.features import mood
from indexer.features.mood import (
    MoodLexicon,
    estimate_movie_mood,
    estimate_track_mood,
    load_lexicon,
    split_words,
)

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
NAN = float("nan")


def make_table(columns: dict[str, str], rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(
        [
            {name: row.get(name, NAN if kind in ("int", "float") else None) for name, kind in columns.items()}
            for row in rows
        ],
        columns=list(columns),
    )
    return table.astype({name: "float64" for name, kind in columns.items() if kind in ("int", "float")})


def make_movies(*rows: dict[str, Any]) -> pd.DataFrame:
    return make_table(MOVIE_COLUMNS, list(rows))


def make_tracks(*rows: dict[str, Any]) -> pd.DataFrame:
    return make_table(TRACK_COLUMNS, list(rows))


# --- the word list


def read_rows() -> list[dict[str, str]]:
    with Path(mood.__file__).with_name("mood_words.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_of_the_word_list_is_in_range_and_readable() -> None:
    for row in read_rows():
        assert row["medium"] in {"both", "film", "song"}, row
        assert split_words(row["phrase"]), row
        for axis in ("valence", "arousal"):
            assert row[axis] == "" or -1.0 <= float(row[axis]) <= 1.0, row


def test_no_two_rows_of_a_medium_are_the_same_words() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for row in read_rows():
        key = (row["medium"], *split_words(row["phrase"]))
        assert key not in seen, f"{row['phrase']!r} and {seen[key]!r}"
        seen[key] = row["phrase"]


@pytest.mark.parametrize(
    ("medium", "text", "sign_valence", "sign_arousal"),
    [
        ("film", "Holocaust", -1, 1),
        ("film", "wedding", 1, 1),
        ("film", "road trip", 1, 1),
        ("film", "friendship", 1, 1),
        ("film", "revenge", -1, 1),
        ("song", "black-metal", -1, 1),
        ("song", "Disco", 1, 1),
        ("song", "lullaby", 1, -1),
        ("song", "ballad", -1, -1),
        ("song", "R&B", 1, -1),
        ("song", "house", 1, 1),
    ],
)
def test_the_word_list_knows_the_direction_of(
    medium: mood.Domain, text: str, sign_valence: int, sign_arousal: int
) -> None:
    found = load_lexicon(medium).read(text)
    assert (np.sign(found.valence), np.sign(found.arousal)) == (sign_valence, sign_arousal)


def test_a_music_genre_means_nothing_in_a_film() -> None:
    assert load_lexicon("film").read("a house by the garage") == (0.0, 0.0, 0, 0)


def test_the_longest_phrase_wins_and_each_word_counts_once() -> None:
    lexicon = MoodLexicon({"comedy": (0.6, 0.4), "black comedy": (-0.2, 0.1), "dark": (-0.5, NAN)})
    assert lexicon.read("A black comedy") == (-0.2, 0.1, 1, 1)
    assert lexicon.read("comedy, black") == (0.6, 0.4, 1, 1)
    found = lexicon.read("Dark-comedies? A dark comedy!")
    assert found.valence == pytest.approx(0.1 - 0.5)
    assert (found.arousal, found.valence_count, found.arousal_count) == (0.4, 3, 1)


def test_a_phrase_without_ratings_hides_its_words() -> None:
    lexicon = MoodLexicon({"death": (-0.8, 0.0), "death valley": (NAN, NAN)})
    assert lexicon.read("death valley") == (0.0, 0.0, 0, 0)
    assert lexicon.read_many("death valley|deaths|death") == (-1.6, 0.0, 2, 2)


def test_parts_of_a_cell_are_not_joined_into_a_phrase() -> None:
    lexicon = MoodLexicon({"black comedy": (0.1, 0.1), "comedy": (0.6, 0.4)})
    assert lexicon.read_many("black|comedy") == (0.6, 0.4, 1, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Zombies & Aliens", ["zombie", "alien"]),
        ("hip-hop/R&B", ["hip", "hop", "r", "b"]),
        ("Jess kisses the bus in Paris", ["jess", "kisse", "the", "bus", "in", "paris"]),
        ("Ñandú_étoiles", ["ñandú", "étoile"]),
        (" … ", []),
    ],
)
def test_split_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@given(st.text(max_size=60))
def test_any_text_reads_to_ratings_in_range(text: str) -> None:
    found = load_lexicon("film").read(text)
    assert abs(found.valence) <= found.valence_count
    assert abs(found.arousal) <= found.arousal_count


# --- films


def test_one_genre_alone_is_its_own_rating() -> None:
    raw = estimate_movie_mood(
        make_movies({"genres": "Film-Noir"}, {"genres": "Science Fiction"}, {"genres": "Sci-Fi"})
    )
    assert raw.dtype == np.float32
    np.testing.assert_allclose(raw[0], mood.GENRE_MOODS["film-noir"], atol=1e-6)
    np.testing.assert_array_equal(raw[1], raw[2])


def test_several_genres_are_averaged() -> None:
    raw = estimate_movie_mood(make_movies({"genres": "Horror|Comedy"}))
    expected = (np.array(mood.GENRE_MOODS["horror"]) + np.array(mood.GENRE_MOODS["comedy"])) / 2
    np.testing.assert_allclose(raw[0], expected, atol=1e-6)


@pytest.mark.parametrize("genre", ["Musical", "Film-Noir", "Children", "Science Fiction", "Sci-Fi", "War"])
def test_genre_names_are_one_key_of_the_table(genre: str) -> None:
    found = MoodLexicon(mood.GENRE_MOODS).read_many(genre)
    assert (found.valence, found.arousal) == mood.GENRE_MOODS[genre.lower()]


def test_an_unknown_film_is_nan_and_not_a_middle_value() -> None:
    raw = estimate_movie_mood(make_movies({}, {"genres": "IMAX", "keywords": "", "overview": "Xyzzy plugh."}))
    assert np.isnan(raw).all()


def test_a_part_that_is_missing_leaves_the_rest_as_it_was() -> None:
    raw = estimate_movie_mood(
        make_movies({"genres": "Drama", "keywords": "duringcreditsstinger"}, {"genres": "Drama"})
    )
    np.testing.assert_array_equal(raw[0], raw[1])


def test_parts_are_weighed_by_how_much_they_say() -> None:
    raw = estimate_movie_mood(make_movies({"genres": "Romance", "keywords": "murder|killer|homicide"}))
    genre, murder = np.array(mood.GENRE_MOODS["romance"]), np.array([-0.7, 0.5])
    np.testing.assert_allclose(raw[0], (0.5 * genre + 0.75 * murder) / 1.25, atol=1e-6)


def test_polarity_moves_valence_and_not_arousal() -> None:
    raw = estimate_movie_mood(
        make_movies(
            {"genres": "Drama", "overview": "It is excellent."},
            {"genres": "Drama"},
            {"genres": "Drama", "overview": "It is awful."},
        )
    )
    assert raw[0, 0] > raw[1, 0] > raw[2, 0]
    assert raw[0, 1] == raw[1, 1] == raw[2, 1]


def test_a_tagline_counts_like_the_synopsis() -> None:
    raw = estimate_movie_mood(make_movies({"tagline": "A funeral and a widow"}))
    np.testing.assert_allclose(raw[0], (-0.7, -0.1), atol=1e-6)


# --- songs


def test_valence_of_a_song_with_audio_alone_is_spotifys_own() -> None:
    raw = estimate_track_mood(make_tracks({"valence": 0.0}, {"valence": 0.75}, {"valence": 1.0}))
    np.testing.assert_allclose(raw[:, 0], (-1.0, 0.5, 1.0), atol=1e-6)


def test_arousal_averages_the_features_that_are_there() -> None:
    raw = estimate_track_mood(
        make_tracks({"energy": 0.9}, {"energy": 1.0, "acousticness": 1.0}, {"tempo": 90.0})
    )
    weights = mood.AUDIO_AROUSAL
    energy, acoustic = weights["energy"].weight, weights["acousticness"].weight
    np.testing.assert_allclose(raw[:, 1], (0.8, (energy - acoustic) / (energy + acoustic), -0.5), atol=1e-6)
    assert np.isnan(raw[:, 0]).all()


def test_values_beyond_the_ends_are_clipped() -> None:
    raw = estimate_track_mood(make_tracks({"loudness": -60.0}, {"loudness": 4.0}))
    np.testing.assert_array_equal(raw[:, 1], (-1.0, 1.0))


def test_a_tempo_of_zero_means_no_beat_was_found() -> None:
    raw = estimate_track_mood(make_tracks({"tempo": 0.0}, {"energy": 0.5, "tempo": 0.0}))
    np.testing.assert_array_equal(raw[:, 1], (NAN, 0.0))


def test_tags_and_genres_speak_for_a_song_without_audio() -> None:
    raw = estimate_track_mood(make_tracks({"genres": "black-metal"}, {"tags": "disco"}, {}))
    np.testing.assert_allclose(raw[:2], [(-0.6, 0.9), (0.7, 0.5)], atol=1e-6)
    assert np.isnan(raw[2]).all()


def test_a_sad_slow_song_and_a_melancholy_film_are_on_the_same_side() -> None:
    song = estimate_track_mood(
        make_tracks({"valence": 0.1, "energy": 0.15, "tempo": 70.0, "acousticness": 0.9, "tags": "sad"})
    )[0]
    film = estimate_movie_mood(make_movies({"genres": "Drama", "keywords": "melancholy|loneliness"}))[0]
    party = estimate_movie_mood(make_movies({"genres": "Comedy|Music", "keywords": "party|dancing"}))[0]
    assert (song < 0).all()
    assert (film < 0).all()
    assert np.linalg.norm(song - film) < np.linalg.norm(song - party)


def test_empty_tables_give_no_rows() -> None:
    assert estimate_movie_mood(make_movies()).shape == (0, 2)
    assert estimate_track_mood(make_tracks()).shape == (0, 2)


# --- against people's labels


def read_data(name: str) -> pd.DataFrame:
    if not (DATA / name).is_file():
        pytest.skip(f"the public label file {name} is not at hand")
    return pd.read_csv(DATA / name, low_memory=False)


def estimate_labelled(labels: pd.DataFrame) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    tracks = read_data("tracks_82k.csv").rename(columns={"track_name": "title", "track_genre": "genres"})
    tracks = tracks.set_index("track_id").loc[labels["track_id"]].reset_index()
    return labels, estimate_track_mood(tracks)


def correlate_ranks(labels: pd.Series, estimates: npt.NDArray[np.float32]) -> float:
    return float(np.corrcoef(labels.rank(), pd.Series(estimates).rank())[0, 1])


def test_songs_agree_with_deezer_labels_kept_aside() -> None:
    labels = read_data("song_emotion_deezer.csv").query("split == 'validation'")
    labels, raw = estimate_labelled(labels)
    assert correlate_ranks(labels["valence"], raw[:, 0]) > 0.40  # measured 0.446
    assert correlate_ranks(labels["arousal"], raw[:, 1]) > 0.25  # measured 0.293


def test_songs_agree_with_emotion_tags() -> None:
    labels, raw = estimate_labelled(read_data("song_emotion_tags.csv"))
    assert correlate_ranks(labels["valence"], raw[:, 0]) > 0.45  # measured 0.492
    assert correlate_ranks(labels["arousal"], raw[:, 1]) > 0.48  # measured 0.521


BRIGHT_TAGS = {
    "funny",
    "feel-good",
    "happy",
    "heartwarming",
    "hilarious",
    "humorous",
    "fun",
    "sweet",
    "uplifting",
}
DARK_TAGS = {
    "dark",
    "depressing",
    "sad",
    "disturbing",
    "bleak",
    "melancholy",
    "heartbreaking",
    "creepy",
    "brutal",
}


def test_films_people_call_bright_are_above_those_they_call_dark() -> None:
    tags = read_data("movie_tags_movielens.csv")
    movies = read_data("movies_19k.csv")
    bright = set(tags.loc[tags["tag"].isin(BRIGHT_TAGS), "tmdb_id"])
    dark = set(tags.loc[tags["tag"].isin(DARK_TAGS), "tmdb_id"])
    movies = movies[movies["id"].isin(bright ^ dark)]
    for column in ("genres", "keywords"):
        movies[column] = movies[column].str.replace(", ", "|")
    valence = pd.Series(estimate_movie_mood(movies)[:, 0])
    is_bright = movies["id"].isin(bright).to_numpy()
    # Area under the ROC curve: how often a bright film is above a dark one (Mann–Whitney U).
    ranks, n_bright, n_dark = valence.rank(), int(is_bright.sum()), int((~is_bright).sum())
    area = (ranks[is_bright].sum() - n_bright * (n_bright + 1) / 2) / (n_bright * n_dark)
    assert area > 0.75  # measured 0.861, 26 against 29 films
