"""Posters: pictures a second, what a linear probe reads from their vectors, and what they add to relevance."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer.benchmarks.picture_ladder import climb
from indexer.catalogue.records import split_cell
from indexer.catalogue.tmdb import read_movies
from indexer.config import IMAGENET
from indexer.features.mood import estimate_movie_mood
from indexer.features.picture_encoders import open_poster_encoder
from indexer.features.picture_files import decode_picture, quiet_decoding, read_content
from indexer.features.pictures import BATCH, read_posters
from indexer.normalisation import unit

Floats = npt.NDArray[np.float32]

_FOLDS = 5
#: Genres on fewer of the films than this are not judged.
_LEAST_FILMS = 40
#: Of the projections onto genres and mood, on vectors of unit length; 0.3 to 10 differ by 0.05 at most.
RIDGE = 3.0
_ROUNDS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--posters", type=Path, required=True, help="folder of posters by IMDb or TMDb id")
    parser.add_argument("--movies", type=Path, required=True, help="the films, in the TMDb layout")
    parser.add_argument("--poster-model", default=IMAGENET, help="as for a build (imagenet)")
    parser.add_argument("--poster-tflite", type=Path, help="as for a build")
    parser.add_argument("--sizes-px", type=int, nargs="+", default=[224, 32], help="input sizes (224 32)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the folds (0)")
    ladder = parser.add_argument_group("what posters add on known pairs, where --soundtracks is given")
    ladder.add_argument("--indexes", type=Path, help="a folder whose served version holds the texts")
    for name in ("tracks", "soundtracks", "weak-soundtracks", "song-emotions", "emotion-words", "movie-tags"):
        ladder.add_argument(f"--{name}", type=Path)


def run(options: argparse.Namespace) -> None:
    """Measure and print; errors as a build's."""
    movies, _ = read_movies(options.movies)
    for size_px in options.sizes_px:
        settings = {
            "poster_model": options.poster_model,
            "poster_tflite": options.poster_tflite,
            "poster_size_px": size_px,
        }
        with tempfile.TemporaryDirectory() as folder:
            _tell(_speed(options.posters, settings))
            start = time.perf_counter()
            found = read_posters(movies, options.posters, settings, Path(folder))
            whole_s = time.perf_counter() - start
            start = time.perf_counter()
            read_posters(movies, options.posters, settings, Path(folder))
            again_s = time.perf_counter() - start
        encoder, facts = found.facts["encoder"], found.facts
        _tell(f"{encoder['model']} by {encoder['engine']} ({encoder['weights']}), {size_px} px:")
        _tell(
            f"  {facts['files_used']:,} posters of {facts['items']:,} films in {whole_s:.1f} s with opening the model, "
            f"{facts['files_used'] / whole_s:.0f}/s; again from the cache {again_s:.2f} s; "
            f"faults {facts['fault_counts'] or 'none'}"
        )
        films = movies.iloc[found.rows]
        _tell("\n".join(f"  {line}" for line in probe(films, unit(found.vectors), options.seed)))
        if size_px == options.sizes_px[0] and options.soundtracks is not None:
            climb(options, movies["id"].iloc[found.rows].tolist(), unit(found.vectors), _tell)


def _speed(folder: Path, settings: dict[str, Any]) -> str:
    """Pictures a second of decoding and of encoding by themselves: the best of three rounds over 256."""
    encoder = open_poster_encoder(
        settings["poster_model"], settings["poster_tflite"], settings["poster_size_px"]
    )
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".jpg")[:256]
    decoding, encoding = [], []
    with quiet_decoding():
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            pixels = np.stack([decode_picture(read_content(path), encoder.size_px) for path in paths])
            decoding.append(time.perf_counter() - start)
            encoder.encode(pixels[:BATCH])
            start = time.perf_counter()
            for place in range(0, len(pixels), BATCH):
                encoder.encode(pixels[place : place + BATCH])
            encoding.append(time.perf_counter() - start)
    return (
        f"at {encoder.size_px} px: decoding {len(paths) / min(decoding):.0f} pictures/s on one core, "
        f"encoding {len(paths) / min(encoding):.0f} pictures/s"
    )


def probe(films: pd.DataFrame, vectors: Floats, seed: int) -> list[str]:
    """What five-fold linear models read from unit vectors (n, d) of these films; each film is in one fold."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    genres = [set(split_cell(cell)) for cell in films["genres"]]
    comedy, drama = (np.array([name in row for row in genres]) for name in ("Comedy", "Drama"))
    either = comedy != drama
    rows, funny = vectors[either], comedy[either]
    areas = []
    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(rows, funny):
        model = LogisticRegression(max_iter=2000).fit(rows[train], funny[train])
        areas.append(float(roc_auc_score(funny[test], model.decision_function(rows[test]))))
    lines = [
        f"comedy from drama, {len(funny)} films: AUC {np.mean(areas):.3f} "
        f"({_FOLDS} folds: {', '.join(f'{area:.3f}' for area in areas)})"
    ]
    common = _common(genres)
    flags = np.array([[name in row for name in common] for row in genres], dtype=np.float64)
    moods = estimate_movie_mood(films).astype(np.float64)
    known = ~np.isnan(moods).any(axis=1)
    projected = cross_fitted(vectors, flags, seed)
    judged = [float(roc_auc_score(flags[:, at], projected[:, at])) for at in range(len(common))]
    lines.append(f"genres by ridge, mean AUC {np.mean(judged):.3f}: " + _say(common, judged))
    mood = cross_fitted(vectors[known], moods[known], seed)
    named = ("valence", "arousal")
    matched = [float(np.corrcoef(mood[:, at], moods[known, at])[0, 1]) for at in range(len(named))]
    lines.append(f"mood by ridge, correlation with the mood read from text: {_say(named, matched)}")
    return lines


def cross_fitted(vectors: Floats, targets: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    """Targets (n, k) of each film as ridge regression on the other folds' films has them."""
    folds = np.random.default_rng(seed).permutation(len(vectors)) % _FOLDS
    rows = vectors.astype(np.float64)
    found = np.zeros(targets.shape)
    for fold in range(_FOLDS):
        train, test = folds != fold, folds == fold
        mean, middle = rows[train].mean(axis=0), targets[train].mean(axis=0)
        centred = rows[train] - mean
        gram = centred.T @ centred + RIDGE * np.eye(rows.shape[1])
        weights = np.linalg.solve(gram, centred.T @ (targets[train] - middle))
        found[test] = (rows[test] - mean) @ weights + middle
    return found


def _common(genres: Sequence[set[str]]) -> list[str]:
    counts = {name: sum(name in row for row in genres) for name in sorted(set().union(*genres))}
    return [name for name, count in counts.items() if count >= _LEAST_FILMS]


def _say(names: Sequence[str], values: Sequence[float]) -> str:
    ordered = sorted(zip(names, values, strict=True), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {value:.2f}" for name, value in ordered)


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
