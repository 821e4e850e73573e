"""The method by ear: audio → features → cluster → films."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from indexer.catalogue.catalogue import Catalogue
from indexer.catalogue.records import MOVIE_COLUMNS, TRACK_COLUMNS
from indexer.catalogue.report import CleaningReport
from indexer.errors import MissingMaterial, MissingModel, UnsupportedQuery
from indexer.evaluate import Gallery, evaluate
from indexer.evaluation_pairs import Pairs
from indexer.evaluation_results import Settings
from indexer.mel.network import FEATURES
from indexer.mel.readings import open_cache
from indexer.mel.training import Trained
from indexer.methods.method import Material
from indexer.methods.spotiflix_mel import SpotiflixMel
from indexer.vector_cache import content_key

#: Two kinds of music: songs t0–t3 were heard as one, t4–t7 as the other; t8 and t9 have no audio.
KINDS = [0.1] * 4 + [0.9] * 4


def make_table(columns: Mapping[str, str], ids: Sequence[str]) -> pd.DataFrame:
    kinds = {name: "float64" if kind not in ("text", "many") else "str" for name, kind in columns.items()}
    rows = [
        {name: "" if kind == "many" else None for name, kind in columns.items()} | {"id": each}
        for each in ids
    ]
    return pd.DataFrame(rows, columns=list(columns)).astype(kinds)


@pytest.fixture
def material(tmp_path: Path, trained: Trained, trained_folder: Path) -> Material:
    movies = make_table(MOVIE_COLUMNS, ["m0", "m1", "m2"])
    movies["title"] = ["Calm", "Loud", "Unknown"]
    tracks = make_table(TRACK_COLUMNS, [f"t{at}" for at in range(10)])
    # What the catalogue says of the songs is the opposite of what is heard, and must not count.
    told = np.array([*(1 - np.array(KINDS)), 0.1, 0.9])
    tracks[list(FEATURES)] = np.repeat(told[:, None], len(FEATURES), axis=1)
    tracks.loc[3, "other_ids"] = "x3|y3"
    audio = tmp_path / "audio"
    (audio / "sub").mkdir(parents=True)
    with open_cache(tmp_path / "cache", trained_folder) as cache:
        for at, level in enumerate(KINDS):
            name = "y3.ogg" if at == 3 else f"sub/t{at}.wav" if at == 4 else f"t{at}.mp3"
            content = f"sound {at}".encode()
            (audio / name).write_bytes(content)
            heard = np.full((1, 7), level, dtype=np.float32) + np.float32(at % 4 * 0.01)
            cache.put([content_key(content)], heard)
    (audio / "t1.wav").write_bytes(b"sound 0")
    (audio / "stranger.mp3").write_bytes(b"sound 0")
    soundtracks = tmp_path / "soundtracks.csv"
    with soundtracks.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["movie_name", *FEATURES])
        for name, level in (("Calm", 0.1), ("Calm", 0.11), ("Loud", 0.9), ("Loud", 0.91)):
            table.writerow([name, *[level] * 7])
    files = {"audio_clips": audio, "mel_model": trained_folder, "soundtrack_features": soundtracks}
    catalogue = Catalogue(
        movies,
        tracks,
        pd.DataFrame({"tmdb_id": [], "track_id": []}, dtype="str"),
        CleaningReport("default", {}),
    )
    return Material(catalogue, {}, lambda texts: pytest.fail("no text is read"), files, 1, tmp_path / "cache")


def test_a_song_finds_the_films_with_music_that_sounds_like_it(material: Material, tmp_path: Path) -> None:
    method = SpotiflixMel.fit(material)
    scores = method.scores("tracks", np.arange(8), "movies")
    assert (scores[:4, 0] > scores[:4, 1]).all()
    assert (scores[4:, 1] > scores[4:, 0]).all()
    assert scores[:, 2].tolist() == [0] * 8
    np.testing.assert_array_equal(method.scores_together({"tracks": np.array([5])}, "movies"), scores[5])
    method.write(tmp_path / "method")
    opened = SpotiflixMel.open(tmp_path / "method")
    assert isinstance(opened, SpotiflixMel)
    np.testing.assert_array_equal(opened.scores("tracks", np.arange(8), "movies"), scores)


def test_the_facts_say_what_was_heard(material: Material, trained: Trained) -> None:
    facts = SpotiflixMel.fit(material).facts
    assert facts["audio"] == {
        "files": 10,
        "songs_heard": 8,
        "unmatched_files": 2,
        "unread_files": 0,
        "unread": {},
        "weights_sha256": trained.network.manifest["weights"]["sha256"],
        "weights_finished": True,
    }
    assert facts["tracks"] == {"tracks": 10, "unknown": 2}
    assert facts["films"]["known"] == 2


def test_a_song_without_audio_cannot_be_asked_for_and_is_no_answer(material: Material) -> None:
    method = SpotiflixMel.fit(material)
    with pytest.raises(UnsupportedQuery, match=r"without audio of this song$") as refusal:
        method.scores_together({"tracks": np.array([8])}, "movies")
    assert refusal.value.field == "tracks"
    with pytest.raises(UnsupportedQuery, match=r"without audio of 2 of these 3 songs$"):
        method.scores_together({"tracks": np.array([0, 8, 9])}, "movies")
    answers = method.scores_together({"movies": np.array([0])}, "tracks")
    assert answers[8:].tolist() == [0, 0]
    assert answers[:4].min() > answers[4:8].max() > 0


def test_it_is_evaluated_beside_others(material: Material) -> None:
    method = SpotiflixMel.fit(material)
    pairs = Pairs(np.array([0, 1, 1]), np.array([1, 4, 9]))
    galleries = {
        "movies": Gallery(np.ones(3), np.eye(3, dtype=np.float32)),
        "tracks": Gallery(np.ones(10), np.eye(10, dtype=np.float32)),
    }
    found = evaluate(
        {"mel": method}, pairs, galleries, Settings(draws=10, flips=10, random_queries=4, reference="mel")
    )
    (forward,) = [each for each in found.directions if each.source == "tracks"]
    # Two of the three songs were heard and find their film at once; the third ties with all films, at rank 2 of 3.
    assert forward.recall["1"].value == pytest.approx(2 / 3)
    assert forward.mrr.value == pytest.approx((1 + 1 + 1 / 2) / 3)


@pytest.mark.parametrize("setting", ["audio_clips", "mel_model", "soundtrack_features"])
def test_a_setting_that_was_not_given_is_named(material: Material, setting: str) -> None:
    files = {name: path for name, path in material.files.items() if name != setting}
    with pytest.raises(MissingMaterial, match=f"set {setting}$"):
        SpotiflixMel.fit(replace(material, files=files))


def test_folders_that_hold_nothing_of_use_are_told(
    material: Material, tmp_path: Path, write_sound: Callable[[Path, float], Path]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MissingMaterial, match="0 audio files"):
        SpotiflixMel.fit(replace(material, files={**material.files, "audio_clips": empty}))
    with pytest.raises(MissingModel, match="no weights"):
        SpotiflixMel.fit(replace(material, files={**material.files, "mel_model": empty}))
    for at in range(4):
        (empty / f"t{at}.mp3").write_bytes(b"text")
    with pytest.raises(MissingMaterial, match=r"0 files could be read; t0\.mp3: .*cannot be decoded"):
        SpotiflixMel.fit(replace(material, files={**material.files, "audio_clips": empty}))
