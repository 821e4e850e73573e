"""What the estimator makes of clips whose answer is known: tempo, loudness, timbre, mode, and the features' order."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.sound.listening import FEATURES, check_libraries
from indexer.sound.measurements import Measurements, measure
from indexer.sound.synthesis import Facts, make_clip

Floats = NDArray[np.float64]

#: Clips whose features lie nearer than this are no pair to order: the rules behind them are not that exact.
LEAST_GAP = 0.1
_TOLERANCE = 0.04
#: Two loudspeakers are measured together, the facts tell of one: 10 log10(2), less the standard's offset.
_LOUDNESS_OFFSET_DB = 10 * np.log10(2) - 0.691


@dataclass(frozen=True, slots=True)
class Judged:
    """One clip: what it is, and what was made of it."""

    facts: Facts
    targets: dict[str, float]
    tempo_bpm: float
    loudness_db: float
    features: dict[str, float]
    measured: Measurements


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--clips", type=int, default=300, help="how many clips")
    parser.add_argument("--first-seed", type=int, default=0, help="the weights were set on 50000 to 50239")
    parser.add_argument(
        "--files", type=Path, nargs="*", default=[], help="real files, to print the estimates of"
    )


def run(options: argparse.Namespace) -> int:
    """Judge the estimator and print the table."""
    check_libraries()
    judged = [judge(seed) for seed in range(options.first_seed, options.first_seed + options.clips)]
    for name, value in summarise(judged).items():
        sys.stdout.write(f"{name:<64}{value:8.3f}\n")
    for file in options.files:
        from indexer.sound.listening import listen

        sys.stdout.write(f"{file.name}: {listen(file.read_bytes())}\n")
    return 0


def judge(seed: int) -> Judged:
    """Make a clip and estimate it as a file's sound would be."""
    from scipy.signal import resample_poly

    from indexer.sound.estimator import estimate_features
    from indexer.sound.loudness import LoudnessMeter

    clip = make_clip(seed)
    meter = LoudnessMeter(44_100, 2)
    meter.feed(clip.samples.T)
    measured = measure(resample_poly(clip.samples.mean(axis=0), 1, 2).astype(np.float32))
    features = estimate_features(measured, meter.loudness_db())
    return Judged(clip.facts, clip.targets, measured.tempo_bpm, meter.loudness_db(), features, measured)


def summarise(judged: Sequence[Judged]) -> dict[str, float]:
    """Give every measure by name; shares are of clips or of pairs."""
    shown: dict[str, float] = {}
    spoken = np.array([one.facts.speech > 0 for one in judged])
    for name, chosen in (
        ("all clips", np.ones(len(judged), bool)),
        ("clips of music", ~spoken),
        ("speech", spoken),
    ):
        if chosen.any():
            found = _of(judged, "tempo_bpm")[chosen]
            known = np.array([one.facts.tempo_bpm for one in judged])[chosen]
            shown[f"tempo within 4 % or an octave, {name}"] = float(is_tempo(found, known).mean())
            shown[f"tempo within 4 %, {name}"] = float(is_tempo(found, known, (1.0,)).mean())
    known_db = np.array([one.facts.loudness_db for one in judged])
    off = _of(judged, "loudness_db") - known_db - _LOUDNESS_OFFSET_DB
    shown["loudness: mean error, dB (the weighting of frequencies included)"] = float(np.abs(off).mean())
    shown["loudness: order of pairs 1 dB apart"] = order(known_db, _of(judged, "loudness_db"), 1.0)
    noisy, tonal, struck, held = _classes(judged)
    measured = [one.measured for one in judged]
    shown["noise above tone, pairs"] = _above([m.noisiness for m in measured], noisy, tonal)
    shown["percussive above sustained, pairs"] = _above([m.crest_db for m in measured], struck, held)
    major = np.array([one.facts.mode == "major" for one in judged])
    shown["major or minor"] = float((np.array([m.major > 0 for m in measured]) == major).mean())
    bright = np.array([one.facts.brightness for one in judged])
    centroid = np.array([m.centroid_hz for m in measured])
    plain = ~noisy & ~struck & ~spoken
    shown["brightness: order of pairs 0.1 apart, all clips"] = order(bright, centroid, 0.1)
    shown["brightness: order of pairs 0.1 apart, notes only"] = order(bright[plain], centroid[plain], 0.1)
    for feature in FEATURES:
        target = np.array([one.targets[feature] for one in judged])
        found = np.array([one.features[feature] for one in judged])
        shown[f"{feature}: order of pairs {LEAST_GAP} apart"] = order(target, found, LEAST_GAP)
        shown[f"{feature}: order of all pairs"] = order(target, found, 0.0)
    return shown


def is_tempo(found: Floats, known: Floats, factors: Sequence[float] = (0.5, 1.0, 2.0)) -> NDArray[np.bool_]:
    """Tell which tempi are within 4 % of the known one times any of ``factors``."""
    ratios = found[:, np.newaxis] / (known[:, np.newaxis] * np.asarray(factors))
    near: NDArray[np.bool_] = (np.abs(ratios - 1) <= _TOLERANCE).any(axis=1)
    return near


def order(known: Floats, found: Floats, gap: float) -> float:
    """The share of pairs whose known values differ by more than ``gap`` that are ordered right; a tie is wrong."""
    first, second = np.triu_indices(len(known), 1)
    difference = known[first] - known[second]
    chosen = np.abs(difference) > gap
    if not chosen.any():
        return float("nan")
    return float((np.sign(difference) == np.sign(found[first] - found[second]))[chosen].mean())


def _classes(judged: Sequence[Judged]) -> tuple[NDArray[np.bool_], ...]:
    """The clips that are plainly noise, tone, percussive and sustained."""
    facts = [one.facts for one in judged]
    quiet = [fact.speech == 0 for fact in facts]
    noisy = np.array([fact.noise >= 0.5 for fact in facts]) & quiet
    tonal = np.array([fact.noise <= 0.1 for fact in facts]) & quiet
    struck = np.array([fact.percussion >= 0.5 for fact in facts])
    held = (
        np.array([fact.sustain >= 0.7 and fact.percussion == 0 and fact.noise < 0.2 for fact in facts])
        & quiet
    )
    return noisy, tonal, struck, held


def _above(values: Sequence[float], high: NDArray[np.bool_], low: NDArray[np.bool_]) -> float:
    array = np.array(values)
    return (
        float((array[high][:, np.newaxis] > array[low]).mean()) if high.any() and low.any() else float("nan")
    )


def _of(judged: Sequence[Judged], name: str) -> Floats:
    values: list[Any] = [getattr(one, name) for one in judged]
    return np.array(values, dtype=np.float64)
