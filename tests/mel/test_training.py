"""Training on made-up clips: repeatable, stopped early, and never without whole weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import InputError, MissingModel
from indexer.mel.training import Clips, Epoch, Plan, Trained, one_cycle, predict_clips, train
from indexer.mel.weights import MANIFEST, MelNetwork
from tests.mel.conftest import PLAN, make_clips


def test_the_manifest_says_what_was_trained_on_what(trained: Trained, trained_folder: Path) -> None:
    manifest = json.loads((trained_folder / MANIFEST).read_text(encoding="utf-8"))
    assert manifest == dict(trained.network.manifest)
    assert manifest["finished"] is True
    assert (manifest["epochs"], manifest["stopped_early"]) == (2, False)
    assert manifest["clips"] == {"training": 12, "validation": 4}
    assert manifest["data"] == {"clips": "made up"}
    assert manifest["training"]["learning_rate"] == 0.005
    assert manifest["spectrogram"]["mels"] == 64
    assert manifest["validation"] == trained.validation
    best = min(trained.epochs, key=lambda epoch: epoch.validation_rmse)
    assert manifest["epoch"] == best.number
    assert trained.validation["all"]["rmse"] == best.validation_rmse
    assert sorted(path.name for path in trained_folder.iterdir()) == [MANIFEST, manifest["weights"]["file"]]


def test_reopened_weights_give_the_same_answers(
    trained: Trained, trained_folder: Path, validation: Clips
) -> None:
    again = MelNetwork.open(trained_folder)
    np.testing.assert_array_equal(
        predict_clips(again, validation), predict_clips(trained.network, validation)
    )
    assert (again.mean_db, again.scale_db) == (trained.network.mean_db, trained.network.scale_db)


def test_the_scale_is_that_of_the_training_clips(trained: Trained, clips: Clips) -> None:
    heard = clips.take(slice(None)).astype(np.float64)
    assert trained.network.mean_db == pytest.approx(heard.mean(), abs=1e-4)
    assert trained.network.scale_db == pytest.approx(heard.std(), abs=1e-4)


def test_the_same_seed_gives_the_same_weights(
    trained: Trained, clips: Clips, validation: Clips, tmp_path: Path
) -> None:
    again = train(clips, validation, tmp_path / "again", PLAN)
    assert again.epochs == trained.epochs
    for weight, other in zip(again.network.network.weights, trained.network.network.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), other.numpy())


def test_training_stops_when_validation_gets_no_better(tmp_path: Path) -> None:
    # What is learnt (all ones) is the opposite of what is asked for (all zeros): early epochs are the best.
    plan = Plan(epochs=8, batch_clips=4, learning_rate=0.3, patience=2, seed=1)
    ones = make_clips(8, 1, targets=1.0)
    zeros = Clips.of(ones.spectrograms, 1 - ones.targets)
    told: list[Epoch] = []
    steps: list[tuple[int, int]] = []
    done = train(
        ones,
        zeros,
        tmp_path,
        plan,
        on_batch=lambda *step: steps.append(step),
        on_epoch=told.append,
    )
    best = max(epoch.number for epoch in told if epoch.best)
    assert done.stopped_early
    assert len(told) == best + 2 < 8
    assert done.epochs == tuple(told)
    assert steps == [(step, 16) for step in range(1, 2 * len(told) + 1)]
    assert done.network.manifest["epoch"] == best
    assert done.network.manifest["stopped_early"] is True


def test_interrupted_training_leaves_the_best_weights_so_far(
    clips: Clips, validation: Clips, tmp_path: Path
) -> None:
    read = {}

    def interrupt(epoch: Epoch) -> None:
        read[epoch.number] = predict_clips(MelNetwork.open(tmp_path), validation)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(clips, validation, tmp_path, PLAN, on_epoch=interrupt)
    left = MelNetwork.open(tmp_path)
    assert (left.manifest["finished"], left.manifest["epoch"]) == (False, 1)
    np.testing.assert_array_equal(predict_clips(left, validation), read[1])


def test_too_few_clips_are_refused(clips: Clips, validation: Clips, tmp_path: Path) -> None:
    none = np.zeros(len(clips), dtype=bool)
    one = none.copy()
    one[0] = True
    with pytest.raises(InputError, match="1 clips"):
        train(clips.part(one), validation, tmp_path / "w")
    with pytest.raises(InputError, match="0 to validate"):
        train(clips, clips.part(none), tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_the_learning_rate_goes_up_and_down_once() -> None:
    rates = [one_cycle(step, 100, 0.005) for step in range(101)]
    assert rates[0] == pytest.approx(0.0002)
    assert rates[30] == pytest.approx(0.005)
    assert rates[100] == pytest.approx(2e-8)
    assert np.all(np.diff(rates[:31]) > 0)
    assert np.all(np.diff(rates[30:]) < 0)


def test_clips_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="64"):
        Clips.of(np.zeros((2, 2, 64, 819), np.float32), np.zeros((2, 7), np.float32))
    with pytest.raises(ValueError, match=r"\(2, 7\)"):
        Clips.of(np.zeros((2, 2, 64, 820), np.float32), np.zeros((3, 7), np.float32))


def test_a_part_of_the_clips_keeps_each_with_its_targets(clips: Clips) -> None:
    odd = np.arange(12) % 2 == 1
    part = clips.part(odd).part(np.array([False, True, True, False, False, True]))
    np.testing.assert_array_equal(part.take(slice(None)), clips.take(np.array([3, 5, 11])))
    np.testing.assert_array_equal(part.targets, clips.targets[[3, 5, 11]])


def test_opening_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="no weights of the mel network"):
        MelNetwork.open(tmp_path)
