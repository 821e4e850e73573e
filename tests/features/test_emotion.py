"""Emotion of songs, films and texts: answers that can be stated by hand, and floors against people's labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from indexer.catalogue.catalogue import read_catalogue
from indexer.catalogue.records import TRACK_COLUMNS
from indexer.errors import InputError, MissingColumn, UnreadableFile, VersionDamaged
from indexer.features import emotion
from indexer.features.emotion import EmotionModel, Floats, TrackEmotions, rate_tracks
from indexer.features.emotion_labels import EmotionLabels, track_parts

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NAN = float("nan")


def make_tracks(rows: list[dict[str, Any]]) -> pd.DataFrame:
    empty = {name: "" if kind == "many" else NAN for name, kind in TRACK_COLUMNS.items()}
    return pd.DataFrame([{**empty, **row} for row in rows], columns=list(TRACK_COLUMNS))


def make_labels(
    mood: Sequence[tuple[float, float]], said: Sequence[Sequence[float]], words: tuple[str, ...]
) -> EmotionLabels:
    rows = np.arange(len(mood))
    return EmotionLabels(rows, np.array(mood), rows, np.array(said, dtype=np.float64), words)


def one_hot(texts: Sequence[str]) -> Floats:
    """Each text is its own direction, so that no two texts mean the same."""
    known = sorted(set(texts))
    return np.eye(len(known), dtype=np.float32)[[known.index(text) for text in texts]]


# One direction is glad, one is loud, one says neither.
MODEL = EmotionModel(
    ("glad", "loud"),
    np.eye(2, 3, dtype=np.float32),
    np.zeros(3, dtype=np.float32),
    np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=np.float32),
)


@pytest.fixture
def two_kinds() -> tuple[dict[str, Floats], EmotionLabels]:
    """Twenty songs that sound alike and are glad, twenty that sound alike and are not; three without a label."""
    audio = np.zeros((43, 2), dtype=np.float32)
    audio[:20, 0] = audio[40, 0] = 3.0
    audio[20:40, 0] = audio[41, 0] = -3.0
    mood = [(1.0, 0.5)] * 20 + [(-1.0, -0.5)] * 20
    said = [(1.0, 0.0)] * 20 + [(0.0, 1.0)] * 20
    return {"audio": audio}, make_labels(mood, said, ("glad", "sorry"))


def test_a_song_takes_after_the_labelled_songs_it_is_like(
    two_kinds: tuple[dict[str, Floats], EmotionLabels],
) -> None:
    rated = rate_tracks(*two_kinds)
    # Twenty equal songs against a ridge of 2, and the other twenty at distance 6: exp(-0.05 * 36) = 0.165.
    far = float(np.exp(-0.05 * 36))
    expected = 20 * (1 - far) / (20 * (1 - far) + 2.0)
    assert rated.valence[40] == pytest.approx(expected, abs=1e-4)
    assert rated.valence[41] == pytest.approx(-expected, abs=1e-4)
    assert rated.arousal[40] == pytest.approx(0.5 * expected, abs=1e-4)


def test_a_song_of_which_nothing_is_known_has_no_emotion(
    two_kinds: tuple[dict[str, Floats], EmotionLabels],
) -> None:
    rated = rate_tracks(*two_kinds)
    assert np.isnan(rated.valence[42])
    assert np.isnan(rated.arousal[42])
    assert rated.profile[42].tolist() == [0.0, 0.0]
    assert EmotionModel.item_block(rated)[42].tolist() == [0.0] * 4


def test_profiles_are_spread_around_nought(two_kinds: tuple[dict[str, Floats], EmotionLabels]) -> None:
    profile = rate_tracks(*two_kinds).profile
    assert profile[40] == pytest.approx([1.0, -1.0], abs=1e-4)
    assert profile[41] == pytest.approx([-1.0, 1.0], abs=1e-4)


def test_a_missing_part_moves_the_estimate_towards_the_mean(
    two_kinds: tuple[dict[str, Floats], EmotionLabels],
) -> None:
    parts, labels = two_kinds
    full = rate_tracks({**parts, "sentence": parts["audio"]}, labels)
    sentence = parts["audio"].copy()
    sentence[40] = 0.0
    lacking = rate_tracks({**parts, "sentence": sentence}, labels)
    assert 0.0 < lacking.valence[40] < full.valence[40] - 0.1


def test_a_part_without_a_kernel_is_refused(two_kinds: tuple[dict[str, Floats], EmotionLabels]) -> None:
    parts, labels = two_kinds
    with pytest.raises(InputError, match="colour"):
        rate_tracks({**parts, "colour": parts["audio"]}, labels)


def test_labelled_songs_of_which_nothing_is_known_cannot_teach(
    two_kinds: tuple[dict[str, Floats], EmotionLabels],
) -> None:
    parts, labels = two_kinds
    with pytest.raises(InputError, match="fewer than two labelled songs"):
        rate_tracks({"audio": np.zeros_like(parts["audio"])}, labels)


def test_a_rare_word_leans_on_the_mood_of_its_songs() -> None:
    """Word two was said of one song only; songs that share its mood rank above those that do not."""
    audio = np.zeros((41, 1), dtype=np.float32)
    audio[:20, 0], audio[20:40, 0], audio[40, 0] = 3.0, -3.0, 3.0
    said = np.zeros((40, 2))
    said[20:, 0] = 1.0
    said[0, 1] = 1.0
    labels = make_labels([(1.0, 1.0)] * 20 + [(-1.0, -1.0)] * 20, said.tolist(), ("common", "rare"))
    profile = rate_tracks({"audio": audio}, labels).profile
    assert profile[40, 1] == pytest.approx(1.0, abs=0.05)
    assert profile[20, 1] == pytest.approx(-1.0, abs=0.05)


def test_a_text_asks_for_the_word_it_means() -> None:
    assert MODEL.ask(np.array([1.0, 0.0, 0.0], dtype=np.float32)) == pytest.approx([1.0, 0.0], abs=1e-5)
    both = np.array([1.0, 1.0, 0.0], dtype=np.float32)
    assert MODEL.ask(both) == pytest.approx([0.5, 0.5], abs=1e-5)
    assert MODEL.ask_mood(both) == pytest.approx([0.5**0.5] * 2, abs=1e-5)


def test_a_text_without_emotion_asks_for_nothing() -> None:
    nothing = np.array([0.0, 0.0, 1.0], dtype=np.float32)
    assert MODEL.certainty(nothing) == 0.0
    assert MODEL.query_block(nothing).tolist() == [0.0, 0.0, 0.0, 0.0]


def test_a_text_half_sure_of_a_word_asks_half_for_it() -> None:
    # The cosine to "glad" is 0.4, half-way from 0.25 to 0.55.
    text = np.array([0.4, 0.0, (1 - 0.16) ** 0.5], dtype=np.float32)
    assert MODEL.certainty(text) == pytest.approx(0.5, abs=1e-5)
    assert float(MODEL.ask(text).sum()) == pytest.approx(0.5, abs=1e-5)
    # Its mood counts 0.25 + 0.75 · 0.5, for the word it nearly means may be the wrong one.
    assert MODEL.query_block(text)[2] == pytest.approx(0.4 * 0.625, abs=1e-5)


def test_films_are_rated_by_what_their_text_is_near() -> None:
    texts = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0]], dtype=np.float32)
    moods = np.array([[NAN, NAN]] * 4 + [[NAN, NAN]], dtype=np.float32)
    rated = MODEL.rate_movies(texts, moods)
    # Each column is 1, -1, 0, 0, whose deviation is the root of a half.
    assert rated.profile[:, 0] == pytest.approx([2**0.5, -(2**0.5), 0, 0, 0], abs=1e-5)
    assert rated.valence[:4] == pytest.approx([2**0.5, -(2**0.5), 0, 0], abs=1e-5)
    assert rated.arousal[:4] == pytest.approx([0, 0, 2**0.5, -(2**0.5)], abs=1e-5)
    assert np.isnan(rated.valence[4])


def test_hand_rated_moods_speak_for_a_film_without_text() -> None:
    texts = np.array([[0, 0, 0], [0, 0, 0]], dtype=np.float32)
    rated = MODEL.rate_movies(texts, np.array([[0.9, NAN], [0.1, NAN]], dtype=np.float32))
    assert rated.valence == pytest.approx([1.0, -1.0], abs=1e-5)
    assert np.isnan(rated.arousal).all()
    assert not rated.profile.any()


def test_the_block_of_a_query_meets_the_block_of_an_item() -> None:
    emotions = TrackEmotions(
        np.array([1.0, -1.0], dtype=np.float32),
        np.array([-1.0, 1.0], dtype=np.float32),
        np.array([[1.0, -1.0], [-1.0, 1.0]], dtype=np.float32),
    )
    block = EmotionModel.item_block(emotions)
    assert block == pytest.approx(np.array([[1, -1, 1, -1], [-1, 1, -1, 1]]), abs=1e-5)
    scores = block @ MODEL.query_block(np.array([1.0, 0.0, 0.0], dtype=np.float32))
    # One from the word, a quarter from valence.
    assert scores == pytest.approx([1.25, -1.25], abs=1e-4)


def test_a_model_written_and_opened_answers_alike(tmp_path: Path) -> None:
    MODEL.write(tmp_path / "emotion")
    opened = EmotionModel.open(tmp_path / "emotion")
    text = np.array([0.5, 0.3, 0.1], dtype=np.float32)
    assert opened.words == ("glad", "loud")
    assert opened.query_block(text).tolist() == MODEL.query_block(text).tolist()


@pytest.mark.parametrize("fault", ["missing", "words", "json"])
def test_a_damaged_model_is_reported(tmp_path: Path, fault: str) -> None:
    folder = tmp_path / "emotion"
    MODEL.write(folder)
    if fault == "missing":
        (folder / "centre.npy").unlink()
    else:
        words = json.dumps({"words": ["glad"]}) if fault == "words" else "{"
        (folder / "emotion.json").write_text(words, encoding="utf-8")
    with pytest.raises(VersionDamaged, match="emotion"):
        EmotionModel.open(folder)


def test_fitting_reads_the_mood_of_rated_words(monkeypatch: pytest.MonkeyPatch) -> None:
    rated = (["joy", "gloom"], np.array([[1.0, 0.2], [-1.0, -0.2]]))
    monkeypatch.setattr(emotion, "_rated_phrases", lambda: rated)
    directions = {"joy": [1.0, 0.0], "gloom": [-1.0, 0.0], "glad": [0.6, 0.8]}

    def encode(texts: Sequence[str]) -> Floats:
        return np.array([directions[text] for text in texts], dtype=np.float32)

    model = EmotionModel.fit(("glad",), encode)
    assert model.centre.tolist() == [0.0, 0.0]
    assert model.word_vectors[0] == pytest.approx([0.6, 0.8])
    # Two rows of ±1 against a ridge of 1: 2 / (2 + 1).
    assert model.ask_mood(encode(["joy"])[0]) == pytest.approx([2 / 3, 0.2 * 2 / 3], abs=1e-5)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


MOOD_HEADER = ("track_id", "valence", "arousal")
WORDS_HEADER = (*MOOD_HEADER, "emotion_tags")


def test_labels_are_joined_to_the_catalogue(tmp_path: Path) -> None:
    tracks = make_tracks([{"id": "a", "other_ids": "a2|a3"}, {"id": "b"}, {"id": "c"}])
    mood = write_csv(tmp_path / "mood.csv", MOOD_HEADER, [("b", 0.5, -1), ("a", 1, 0), ("a3", 2, 1)])
    said = write_csv(
        tmp_path / "said.csv",
        WORDS_HEADER,
        [
            ("c", 0.5, 0.5, "Calm|sad"),
            ("b", 0.1, 0.9, "sad"),
            ("elsewhere", 0.5, 0.5, "calm"),
            ("a", 1, 1, ""),
        ],
    )
    with pytest.raises(InputError, match="fewer than two emotion words"):
        EmotionLabels.read(mood, said, tracks, least_songs=2)
    labels = EmotionLabels.read(mood, said, tracks, least_songs=1)
    assert labels.words == ("calm", "sad")
    assert labels.rows.tolist() == [0, 1]
    # Two ids of song "a" are one label.
    assert labels.mood.tolist() == [[1.5, 0.5], [0.5, -1.0]]
    assert labels.word_rows.tolist() == [0, 1, 2]
    assert labels.words_said.tolist() == [[0, 0], [0, 1], [1, 1]]


def test_songs_of_the_second_file_alone_are_put_on_the_first_scale(tmp_path: Path) -> None:
    tracks = make_tracks([{"id": str(n)} for n in range(41)])
    shared = np.linspace(0.0, 1.0, 40)
    mood = write_csv(tmp_path / "m.csv", MOOD_HEADER, [(n, 4 * x - 2, 1 - x) for n, x in enumerate(shared)])
    rows: list[tuple[object, ...]] = [(n, x, x, "calm|sad") for n, x in enumerate(shared)]
    said = write_csv(tmp_path / "s.csv", WORDS_HEADER, [*rows, (40, 0.25, 0.75, "sad")])
    labels = EmotionLabels.read(mood, said, tracks)
    assert labels.rows[-1] == 40
    assert labels.mood[-1] == pytest.approx([-1.0, 0.25])


@pytest.mark.parametrize(
    ("header", "row", "error", "words"),
    [
        (MOOD_HEADER, ("a", 0.5, 0.5), MissingColumn, "emotion_tags"),
        (WORDS_HEADER, ("a", 1.5, 0.5, "calm"), InputError, "between 0 and 1"),
        (WORDS_HEADER, ("a", "much", 0.5, "calm"), InputError, "'valence' holds something"),
        (WORDS_HEADER, ("z", 0.5, 0.5, "calm"), InputError, "none of its songs"),
    ],
)
def test_bad_label_files_are_reported(
    tmp_path: Path, header: Sequence[str], row: Sequence[object], error: type[InputError], words: str
) -> None:
    tracks = make_tracks([{"id": "a"}])
    mood = write_csv(tmp_path / "mood.csv", MOOD_HEADER, [("a", 0, 0)])
    said = write_csv(tmp_path / "said.csv", header, [row])
    with pytest.raises(error, match=words):
        EmotionLabels.read(mood, said, tracks)


def test_a_missing_label_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"gone\.csv"):
        EmotionLabels.read(tmp_path / "gone.csv", tmp_path / "gone.csv", make_tracks([{"id": "a"}]))


def test_parts_hold_what_is_known_and_nothing_else() -> None:
    tracks = make_tracks(
        [
            {"id": "a", "artists": "One", "energy": 0.1, "tags": "rock", "year": 2005, "mode": 1},
            {"id": "b", "artists": "one|Two", "energy": 0.9, "tags": "pop", "decade": 1970, "mode": 0},
            {"id": "c", "artists": "two", "title": "Only a title"},
        ]
    )
    texts = np.eye(3, dtype=np.float32)
    parts = track_parts(tracks, texts, one_hot)
    energy = 1
    # Normal scores of ranks a quarter and three quarters of the way.
    assert parts["audio"][:2, energy] == pytest.approx([-0.6745, 0.6745], abs=1e-3)
    assert not parts["audio"][:, [0, *range(2, 9)]].any()
    assert all(not part[2].any() for part in parts.values())
    # The only other song of the artist counts a third: 1 / (1 + 2).
    assert parts["artist_audio"][0, energy] == pytest.approx(0.6745 / 3, abs=1e-3)
    # "pop" and "rock" centred on their mean point opposite ways; song a hears song b's.
    assert parts["artist_tags"][0] == pytest.approx([0.7071, -0.7071], abs=1e-3)
    assert parts["facts"][:2, [0, 1, 3]].tolist() == [[1.0, 0.0, 1.0], [-1.0, 0.0, -1.0]]
    assert "title" not in parts
    assert "title" in track_parts(tracks, texts, one_hot, titles=texts)


def measure_r2(estimate: Floats, truth: Floats) -> float:
    return float(1.0 - ((estimate - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def measure_auc(scores: Floats, said: Floats) -> float:
    """Share of (said, unsaid) pairs in the right order."""
    return float((scores[said == 1][:, None] > scores[said == 0]).mean())


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not here")
def test_labels_of_artists_kept_aside_are_foretold() -> None:
    """Without any text embedding; with them the figures are higher, and a build measures those."""
    tracks = read_catalogue(DATA / "movies_19k.csv", DATA / "tracks_82k.csv", None).tracks
    mood_file, words_file = DATA / "song_emotion_deezer.csv", DATA / "song_emotion_tags.csv"
    ids = set(pd.read_csv(mood_file)["track_id"]) | set(pd.read_csv(words_file)["track_id"])
    tracks = tracks[tracks["id"].isin(ids)].reset_index(drop=True)
    labels = EmotionLabels.read(mood_file, words_file, tracks)
    assert len(labels.words) == 25
    parts = track_parts(tracks, np.zeros((len(tracks), 1), dtype=np.float32), one_hot)
    # Songs of artists kept aside: a fifth of the first names.
    names = [str(cell).casefold().split("|")[0] for cell in tracks["artists"]]
    number = {name: place for place, name in enumerate(sorted(set(names)))}
    aside = np.array([number[name] % 5 == 0 for name in names])
    mood_aside, words_aside = aside[labels.rows], aside[labels.word_rows]
    kept = EmotionLabels(
        labels.rows[~mood_aside],
        labels.mood[~mood_aside],
        labels.word_rows[~words_aside],
        labels.words_said[~words_aside],
        labels.words,
    )
    rated = rate_tracks(parts, kept)
    rows, truth = labels.rows[mood_aside], labels.mood[mood_aside].astype(np.float32)
    figures = measure_r2(rated.valence[rows], truth[:, 0]), measure_r2(rated.arousal[rows], truth[:, 1])
    said = labels.words_said[words_aside].astype(np.float32)
    profile = rated.profile[labels.word_rows[words_aside]]
    areas = [measure_auc(profile[:, k], said[:, k]) for k in range(25) if said[:, k].sum() >= 5]
    assert figures[0] > 0.14, figures
    assert figures[1] > 0.18, figures
    assert np.mean(areas) > 0.68
