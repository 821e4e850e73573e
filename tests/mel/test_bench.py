"""The proof on synthesised clips, on a handful of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from indexer.benchmarks.__main__ import main
from indexer.benchmarks.mel import SEEDS
from indexer.mel.network import FEATURES
from indexer.mel.synthesised import make_clips
from indexer.mel.weights import read_manifest
from indexer.sound.synthesis import make_clip


def test_the_proof_runs_and_says_when_it_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--training", "4", "--validation", "2", "--test", "2", "--epochs", "1", "--processes", "1"]
    written, kept = tmp_path / "mel.json", tmp_path / "weights"
    # Four clips teach nothing, and it says so.
    assert main(["mel", *sizes, "--json", str(written), "--keep", str(kept)]) == 1
    found = json.loads(written.read_text(encoding="utf-8"))
    assert found["clips"] == {"training": 4, "validation": 2, "test": 2}
    assert list(found["errors"]) == [*FEATURES, "all"]
    assert found["errors"]["all"]["variance_explained"] < 0.5
    assert read_manifest(kept)["data"]["seeds_from"] == SEEDS
    assert "of the variance of the 2 test clips is explained" in capsys.readouterr().out


def test_clips_come_with_the_targets_of_their_seeds() -> None:
    clips = make_clips([7, 5], processes=1)
    for at, seed in enumerate((7, 5)):
        known = make_clip(seed, 1).targets
        np.testing.assert_allclose(clips.targets[at], [known[name] for name in FEATURES], rtol=1e-6)
    assert not np.array_equal(clips.spectrograms[0], clips.spectrograms[1])


def test_no_seed_is_in_two_sets() -> None:
    firsts = sorted(SEEDS.values())
    assert np.diff(firsts).min() >= 1_000_000


def test_sets_that_are_too_large_or_too_small_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mel", "--test", "1"]) == 1
    assert "2 to 1,000,000 clips" in capsys.readouterr().err
