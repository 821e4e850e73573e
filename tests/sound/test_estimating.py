"""Clips are what their facts say, and the estimator finds the plain ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sound_files import write_file

from indexer.__main__ import main
from indexer.benchmarks.sound import is_tempo, judge, order, summarise
from indexer.sound.listening import FEATURES
from indexer.sound.measurements import find_tempo
from indexer.sound.synthesis import draw_facts, make_clip, make_targets


def test_a_clip_is_what_its_facts_say():
    clip, again = make_clip(5, 6.0), make_clip(5, 6.0)
    assert np.array_equal(clip.samples, again.samples)
    assert (clip.samples.shape, clip.samples.dtype) == ((2, 6 * 44_100), np.float32)
    level_db = 20 * np.log10(np.sqrt(np.mean(clip.samples**2)))
    assert level_db == pytest.approx(clip.facts.loudness_db, abs=0.06)
    assert not np.array_equal(make_clip(6, 6.0).samples, clip.samples)


def test_targets_follow_from_facts():
    many = [make_targets(draw_facts(seed)) for seed in range(300)]
    for name in FEATURES:
        values = np.array([targets[name] for targets in many])
        assert 0 <= values.min() < 0.25, name
        assert 0.75 < values.max() <= 1, name


@pytest.mark.parametrize("tempo_bpm", [72, 101.5, 120, 163])
def test_clicks_have_their_tempo(tempo_bpm):
    frames_per_s = 22_050 / 256
    onset = np.zeros(round(20 * frames_per_s))
    onset[np.round(np.arange(0, 20, 60 / tempo_bpm) * frames_per_s).astype(int)] = 1
    smooth = np.convolve(onset, np.hanning(7), mode="same")
    found, pulse = find_tempo(smooth)
    assert is_tempo(np.array([found]), np.array([tempo_bpm])).all()
    assert pulse > 0.3


def test_what_does_not_recur_has_no_tempo():
    assert find_tempo(np.ones(2_000)) == (0.0, 0.0)


def test_order_counts_pairs_beyond_the_gap():
    assert order(np.array([0.0, 0.5, 0.55]), np.array([1.0, 2.0, 0.0]), 0.1) == 0.5


def test_the_estimator_reaches_its_figures_roughly():
    shown = summarise([judge(seed) for seed in range(90_000, 90_016)])
    assert shown["tempo within 4 % or an octave, clips of music"] >= 0.8
    assert shown["energy: order of pairs 0.1 apart"] >= 0.9
    assert shown["acousticness: order of pairs 0.1 apart"] >= 0.85
    assert shown["loudness: order of pairs 1 dB apart"] >= 0.95


def test_the_command_prints_what_it_hears_and_names_what_it_cannot(tmp_path, capsys):
    good, bad = tmp_path / "good.flac", tmp_path / "bad.mp3"
    good.write_bytes(write_file(make_clip(8, 8.0).samples.T, kind="FLAC"))
    bad.write_bytes(b"no music")
    assert main(["listen", "--json", str(bad), str(good)]) == 1
    printed, refused = capsys.readouterr()
    told = json.loads(printed)
    assert (told["file"], told["format"], told["estimated"]) == (str(good), "flac", True)
    assert list(told["features"]) == list(FEATURES)
    assert "bad.mp3: this is none of the kinds" in refused
