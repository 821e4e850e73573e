"""The mel CNN on clips made by code: how much of seven known features it reads from clips that it never heard."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from indexer.benchmarks import findings
from indexer.benchmarks.findings import Findings, Table, tell
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.errors import ConfigError

LIBRARIES = ("tensorflow", "keras", "librosa", "numpy")
#: Clips are made from these seeds on; a million each, so that no clip is in two of the sets.
SEEDS = {"training": 1_000_000, "validation": 2_000_000, "test": 3_000_000}
_ROOM = 1_000_000
#: What the proof asks for: this share of the held-out clips' variance.
WANTED = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--training", type=int, default=800, help="clips to train on (%(default)s)")
    parser.add_argument("--validation", type=int, default=150, help="clips to stop by (%(default)s)")
    parser.add_argument("--test", type=int, default=300, help="clips to measure on (%(default)s)")
    parser.add_argument("--epochs", type=int, default=40, help="passes over the clips at most (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and augmentation (%(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="processes that make clips (%(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the weights here")
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Make the clips, train, measure and report; 1 where less than half of the variance is explained."""
    from indexer.mel.figures import ALL, measure_errors
    from indexer.mel.synthesised import make_clips
    from indexer.mel.training import Plan, predict_clips, train

    counts = {name: int(getattr(options, name)) for name in SEEDS}
    if not all(2 <= count <= _ROOM for count in counts.values()):
        raise ConfigError(f"each set takes 2 to {_ROOM:,} clips")
    surroundings = describe_surroundings(options.seed, LIBRARIES)
    start = time.perf_counter()
    tell(f"making {sum(counts.values())} clips")
    seeds = np.concatenate([np.arange(first, first + counts[name]) for name, first in SEEDS.items()])
    clips = make_clips(seeds.tolist(), options.processes)
    of_set = seeds // _ROOM
    sets = {name: clips.part(of_set == first // _ROOM) for name, first in SEEDS.items()}
    made_s = time.perf_counter() - start
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        trained = train(
            sets["training"],
            sets["validation"],
            options.keep or Path(scratch),
            Plan(epochs=options.epochs, seed=options.seed),
            {"data": {"synthesised": counts, "seeds_from": SEEDS}},
            on_epoch=lambda epoch: tell(
                f"epoch {epoch.number}: loss {epoch.loss:.4f}, validation RMSE {epoch.validation_rmse:.4f}"
            ),
        )
    trained_s = time.perf_counter() - start
    constant = sets["training"].targets.mean(axis=0)
    start = time.perf_counter()
    predicted = predict_clips(trained.network, sets["test"])
    read_ms = (time.perf_counter() - start) * 1000 / counts["test"]
    errors = measure_errors(predicted, sets["test"].targets, constant)
    explained = errors[ALL]["variance_explained"]
    best = next(epoch.number for epoch in reversed(trained.epochs) if epoch.best)
    data: dict[str, Any] = {
        "clips": counts,
        "epochs": len(trained.epochs),
        "best_epoch": best,
        "stopped_early": trained.stopped_early,
        "errors": errors,
        "validation": trained.validation,
        "seconds": {"clips": round(made_s, 1), "training": round(trained_s, 1)},
        "read_ms_per_clip": round(read_ms, 2),
    }
    notes = [
        f"{explained:.1%} of the variance of the {counts['test']} test clips is explained ({WANTED:.0%} wanted); "
        f"the mean of the seven labels' own shares is {_mean_share(errors):.1%}.",
        f"Best of {len(trained.epochs)} epochs: {best}; chosen on the validation clips. No clip is in two sets.",
        f"Making the clips took {made_s:.0f} s, training {trained_s:.0f} s, reading a spectrogram {read_ms:.1f} ms.",
    ]
    table = Table(
        f"Errors on {counts['test']} clips that were never heard",
        ("feature", "RMSE", "constant", "MAE", "constant", "variance explained"),
        [
            (
                name,
                *(f"{each[key]:.3f}" for key in ("rmse", "constant_rmse", "mae", "constant_mae")),
                f"{each['variance_explained']:.1%}",
            )
            for name, each in errors.items()
        ],
    )
    findings.deliver(Findings("mel", surroundings, [table], data, notes), options)
    return 0 if explained >= WANTED else 1


def _mean_share(errors: dict[str, dict[str, float]]) -> float:
    shares = [each["variance_explained"] for name, each in errors.items() if name != "all"]
    return float(np.mean(shares))
