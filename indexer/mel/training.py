"""Training: one cycle of the learning rate, early stopping on files kept aside, the best weights always on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.errors import InputError
from indexer.mel.augmentation import augment
from indexer.mel.figures import ALL, measure_errors
from indexer.mel.network import FEATURES
from indexer.mel.weights import MelNetwork, check_shape, new_network

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clips:
    """Spectrograms (m, 2, 64, 820) in dB, of float16 or float32 and possibly on disk, and targets (n, 7) of some.

    ``rows`` (n,): which spectrogram belongs to each target.
    """

    spectrograms: npt.NDArray[Any]
    targets: Floats
    rows: npt.NDArray[np.int64]

    @classmethod
    def of(cls, spectrograms: npt.NDArray[Any], targets: Floats) -> Clips:
        """All spectrograms with their targets; raises ``ValueError`` on other shapes."""
        check_shape(spectrograms)
        if targets.shape != (len(spectrograms), len(FEATURES)):
            raise ValueError(f"targets ({len(spectrograms)}, 7) expected, not {targets.shape}")
        return cls(spectrograms, targets, np.arange(len(targets), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.targets)

    def part(self, chosen: npt.NDArray[np.bool_]) -> Clips:
        """Some of the clips, by a mask (n,); nothing is copied or read from disk."""
        return Clips(self.spectrograms, self.targets[chosen], self.rows[chosen])

    def take(self, places: npt.NDArray[np.int64] | slice) -> Floats:
        """Read the spectrograms of some clips, (k, 2, 64, 820) float32."""
        return np.asarray(self.spectrograms[self.rows[places]], dtype=np.float32)


@dataclass(frozen=True)
class Plan:
    """How to train. ``learning_rate`` is the cycle's peak; ``patience``: epochs without a better validation error."""

    epochs: int = 40
    batch_clips: int = 16
    learning_rate: float = 0.005
    momentum: float = 0.9
    patience: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """One pass: its number from 1, mean loss in training, RMSE over all labels in validation, and if that is best."""

    number: int
    loss: float
    validation_rmse: float
    best: bool


@dataclass(frozen=True)
class Trained:
    """The best network, its epochs, and its errors on the validation clips (``measure_errors``)."""

    network: MelNetwork
    epochs: tuple[Epoch, ...]
    validation: Mapping[str, Mapping[str, float]]
    stopped_early: bool


def train(
    clips: Clips,
    validation: Clips,
    folder: Path,
    plan: Plan | None = None,
    facts: Mapping[str, Any] | None = None,
    on_batch: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Trained:
    """Train on ``clips`` and leave the weights that predict ``validation`` best in ``folder``, with a manifest.

    The folder holds whole weights from the first epoch's end on, whatever interrupts; ``"finished"`` in its manifest
    says if training came to its end. The same clips, plan and machine give the same weights. SpotiFlix's recipe:
    SGD, one cycle, time shift and masking in training alone. Its batch size, momentum and loss are not known; here
    it is 16, 0.9, and the binary cross-entropy summed over labels, whose gradient does not fade where the sigmoid
    is flat. ``on_batch`` is told (done, total), ``facts`` join the manifest. Raises ``InputError`` without clips.
    """
    import keras
    import tensorflow as tf

    plan = plan or Plan()
    if len(clips) < 2 or not len(validation):
        raise InputError(f"{len(clips)} clips to train on and {len(validation)} to validate with are too few")
    tf.config.experimental.enable_op_determinism()
    mean, scale = _measure_scale(clips)
    current = new_network(mean, scale, plan.seed)

    def loss(truth: Any, predicted: Any) -> Any:
        return keras.ops.mean(keras.ops.sum(keras.ops.binary_crossentropy(truth, predicted), axis=-1))

    current.network.compile(
        optimizer=keras.optimizers.SGD(plan.learning_rate, momentum=plan.momentum, nesterov=True), loss=loss
    )
    constant = clips.targets.mean(axis=0)
    batches = -(-len(clips) // plan.batch_clips)
    told = {
        "training": asdict(plan),
        "clips": {"training": len(clips), "validation": len(validation)},
        **(facts or {}),
    }
    epochs: list[Epoch] = []
    best: dict[str, dict[str, float]] = {}
    kept = current
    for number in range(1, plan.epochs + 1):
        losses = []
        for at, (heard, wanted) in enumerate(_batches(clips, current, plan, number)):
            step = (number - 1) * batches + at
            current.network.optimizer.learning_rate = one_cycle(
                step, plan.epochs * batches, plan.learning_rate
            )
            losses.append(float(current.network.train_on_batch(heard, wanted)))
            if on_batch is not None:
                on_batch(step + 1, plan.epochs * batches)
        errors = measure_errors(predict_clips(current, validation), validation.targets, constant)
        rmse = errors[ALL]["rmse"]
        better = not best or rmse < best[ALL]["rmse"]
        epochs.append(Epoch(number, round(float(np.mean(losses)), 5), rmse, better))
        if better:
            best = errors
            kept = current.save(folder, {**told, "finished": False, "epoch": number, "validation": errors})
        if on_epoch is not None:
            on_epoch(epochs[-1])
        if number - max(epoch.number for epoch in epochs if epoch.best) >= plan.patience:
            break
    stopped_early = len(epochs) < plan.epochs
    best_epoch = kept.manifest["epoch"]
    kept = MelNetwork.open(folder)
    ending = {"finished": True, "epoch": best_epoch, "epochs": len(epochs), "stopped_early": stopped_early}
    kept = kept.save(folder, {**told, **ending, "validation": best})
    return Trained(kept, tuple(epochs), best, stopped_early)


def one_cycle(step: int, steps: int, peak: float) -> float:
    """The learning rate at a step: from 1/25 of the peak up to it in 30 % of the steps, then down to 1/250,000."""
    low, end, top = peak / 25, peak / 250_000, 0.3 * steps
    if step < top:
        return low + (peak - low) * (1 - math.cos(math.pi * step / top)) / 2
    return end + (peak - end) * (1 + math.cos(math.pi * (step - top) / max(steps - top, 1))) / 2


def _batches(clips: Clips, current: MelNetwork, plan: Plan, epoch: int) -> Iterator[tuple[Floats, Floats]]:
    """Shuffled batches of augmented clips; every draw follows from seed and epoch."""
    random = np.random.default_rng((plan.seed, epoch))
    order = random.permutation(len(clips))
    for start in range(0, len(order), plan.batch_clips):
        rows = np.sort(order[start : start + plan.batch_clips])
        heard = current.scaled(clips.take(rows))
        yield np.stack([augment(each, random) for each in heard]), clips.targets[rows]


def predict_clips(network: MelNetwork, clips: Clips) -> Floats:
    """The features that a network reads from clips, (n, 7) float32, a few clips in memory at a time."""
    parts = [network.predict(clips.take(slice(at, at + 64))) for at in range(0, len(clips), 64)]
    return np.concatenate([np.zeros((0, len(FEATURES)), dtype=np.float32), *parts])


def _measure_scale(clips: Clips) -> tuple[float, float]:
    """Mean and standard deviation over all numbers, read a few clips at a time."""
    total = squares = count = 0.0
    for at in range(0, len(clips), 64):
        part = clips.take(slice(at, at + 64)).astype(np.float64)
        total, squares, count = total + float(part.sum()), squares + float((part**2).sum()), count + part.size
    mean = total / count
    spread = math.sqrt(max(squares / count - mean**2, 0.0))
    return round(mean, 6), round(max(spread, 1e-3), 6)
