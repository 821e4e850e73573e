"""Does the music of films go with their genre and mood? Audio features of the songs of known pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer.catalogue import Catalogue
from indexer.catalogue.records import AUDIO_FEATURES, split_cell
from indexer.explore.catalogue_facts import gap, numbers
from indexer.explore.film_tests import FilmSongs, correlation, difference, permutation_p
from indexer.explore.statistics import Floats, Plain, as_plain, missing
from indexer.metrics import ClusterBootstrap, holm

#: A genre with fewer films than this, or that fewer films lack, is not compared.
LEAST_FILMS = 10
#: Permutations for each bootstrap sample: of 20,000, p can survive Holm's correction over two hundred comparisons.
PERMUTATIONS_A_DRAW = 20
SIGNIFICANT = 0.05
#: Asked before looking: (kind, label of the film, feature of the song).
QUESTIONS = (
    ("genre", "Action", "energy"),
    ("genre", "Comedy", "valence"),
    ("mood", "valence", "valence"),
    ("mood", "arousal", "energy"),
)
_AXES = ("valence", "arousal")
_THIRDS: dict[str, tuple[str, str, str]] = {
    "valence": ("bleak", "middling", "bright"),
    "arousal": ("calm", "middling", "lively"),
}


def soundtrack_facts(catalogue: Catalogue, draws: int, seed: int) -> Plain:
    """Features of soundtrack songs by film genre and film mood, all comparisons one family for Holm's correction.

    ``draws``: bootstrap samples of films behind each interval; twenty times as many permutations behind each p.
    """
    if "soundtracks" not in catalogue.report.files:
        return missing("no file of known pairs was given")
    pairs = catalogue.soundtracks
    if pairs["tmdb_id"].nunique() < 2 * LEAST_FILMS:
        return missing(f"known pairs of fewer than {2 * LEAST_FILMS} films")
    films = catalogue.movies.set_index("id").loc[sorted(pairs["tmdb_id"].unique())]
    heard = catalogue.tracks.set_index("id").loc[pairs["track_id"]]
    film = films.index.get_indexer(pd.Index(pairs["tmdb_id"])).astype(np.int64)
    absent = catalogue.report.files["tracks"].absent
    gaps = {name: gap(heard, absent, name) for name in AUDIO_FEATURES}
    lacking = {name: why["missing"] for name, why in gaps.items() if why is not None}
    features = [
        name for name in AUDIO_FEATURES if name not in lacking and np.nanstd(numbers(heard, name)) > 0
    ]
    if not features:
        return {**missing("the songs of known pairs have no audio features"), "left_out": lacking}
    songs = FilmSongs(film, np.stack([numbers(heard, name) for name in features], axis=1))
    spread = np.nanstd(songs.values, axis=0)
    cells = _by_genre(films, songs, features, spread, draws, seed)
    thirds, moods = _by_mood(films, songs, features, draws, seed)
    cells += moods
    for cell, p in zip(cells, holm([cell["p"] for cell in cells]), strict=True):
        cell["p_holm"] = p
    asked = [found for question in QUESTIONS if (found := _find(cells, question)) is not None]
    for cell, p in zip(asked, holm([cell["p"] for cell in asked]), strict=True):
        cell["p_asked"] = p
    return {
        "pairs": len(pairs),
        "films": len(films),
        "songs": int(pairs["track_id"].nunique()),
        "pairs_of_shared_songs": int(pairs["track_id"].duplicated(keep=False).sum()),
        "features": features,
        "left_out": lacking,
        "feature_sd": dict(zip(features, spread.tolist(), strict=True)),
        "comparisons": len(cells),
        "permutations": PERMUTATIONS_A_DRAW * draws,
        "draws": draws,
        "catalogue_means": {name: float(np.nanmean(numbers(catalogue.tracks, name))) for name in features},
        "soundtrack_means": {
            name: float(np.nanmean(songs.values[:, at])) for at, name in enumerate(features)
        },
        "cells": cells,
        "mood_thirds": thirds,
        "answers": [_answer(cells, question) for question in QUESTIONS],
    }


def _by_genre(
    films: pd.DataFrame, songs: FilmSongs, features: Sequence[str], spread: Floats, draws: int, seed: int
) -> list[dict[str, Any]]:
    held = [set(split_cell(cell)) for cell in films["genres"]]
    genres = [
        genre
        for genre in sorted(set().union(*held))
        if LEAST_FILMS <= sum(genre in its for its in held) <= len(held) - LEAST_FILMS
    ]
    if not genres:
        return []
    labels = np.array([[genre in its for its in held] for genre in genres], dtype=np.float64)
    p = permutation_p(labels, songs, PERMUTATIONS_A_DRAW * draws, seed)
    bootstrap = ClusterBootstrap(songs.film, draws, seed)
    cells = []
    for row, genre in enumerate(genres):
        inside = labels[row, songs.film] > 0
        for column, name in enumerate(features):
            values = songs.values[:, column]
            known = ~np.isnan(values)
            if not (known & inside).any() or not (known & ~inside).any():
                continue
            figure = difference(bootstrap, inside, values)
            cells.append(
                {
                    "kind": "genre",
                    "label": genre,
                    "feature": name,
                    "films": int(labels[row].sum()),
                    "pairs": int(np.count_nonzero(known & inside)),
                    "mean_inside": float(values[known & inside].mean()),
                    "mean_outside": float(values[known & ~inside].mean()),
                    "difference": as_plain(figure),
                    "difference_in_sd": figure.value / float(spread[column]),
                    "p": float(p[row, column]),
                }
            )
    return cells


def _by_mood(
    films: pd.DataFrame, songs: FilmSongs, features: Sequence[str], draws: int, seed: int
) -> tuple[list[Plain], list[dict[str, Any]]]:
    from indexer.features.mood import estimate_movie_mood

    moods = estimate_movie_mood(films.reset_index()).astype(np.float64)
    thirds, cells = [], []
    for axis, name in enumerate(_AXES):
        known = ~np.isnan(moods[:, axis])
        if np.count_nonzero(known) < 2 * LEAST_FILMS or np.ptp(moods[known, axis]) == 0:
            continue
        part = songs.only(known)
        mood = moods[known, axis]
        bootstrap = ClusterBootstrap(part.film, draws, seed)
        p = permutation_p(mood[None, :], part, PERMUTATIONS_A_DRAW * draws, seed)
        third = _cut_in_three(mood)
        for column, feature in enumerate(features):
            values = part.values[:, column]
            if np.isnan(values).all() or np.nanstd(values) == 0:
                continue
            cells.append(
                {
                    "kind": "mood",
                    "label": name,
                    "feature": feature,
                    "films": int(known.sum()),
                    "pairs": int(np.count_nonzero(~np.isnan(values))),
                    "correlation": as_plain(correlation(bootstrap, mood[part.film], values)),
                    "p": float(p[0, column]),
                }
            )
            for at, called in enumerate(_THIRDS[name]):
                here = (third[part.film] == at) & ~np.isnan(values)
                if not here.any():
                    continue
                inner = ClusterBootstrap(part.film[here], draws, seed)
                thirds.append(
                    {
                        "axis": name,
                        "third": called,
                        "feature": feature,
                        "films": int(np.unique(part.film[here]).size),
                        "pairs": int(here.sum()),
                        "mean": as_plain(inner.mean(values[here])),
                    }
                )
    return thirds, cells


def _cut_in_three(mood: Floats) -> npt.NDArray[np.int64]:
    low, high = np.quantile(mood, (1 / 3, 2 / 3))
    return np.asarray((mood > low).astype(np.int64) + (mood > high))


def _answer(cells: Sequence[Plain], question: tuple[str, str, str]) -> Plain:
    """The answer to one question in figures and in words."""
    kind, label, feature = question
    asked = f"Does the {feature} of the songs go with " + (
        f"the genre {label.lower()}?" if kind == "genre" else f"the {label} of the film?"
    )
    cell = _find(cells, question)
    if cell is None:
        return {"question": asked, "answer": "It cannot be told from these pairs: too few films or values."}
    figure = cell["difference" if kind == "genre" else "correlation"]
    if kind == "genre":
        said = (
            f"songs of {label.lower()} films average {cell['mean_inside']:.3f}, those of other films "
            f"{cell['mean_outside']:.3f}, a difference of {figure['value']:+.3f}"
        )
    else:
        said = f"the correlation over pairs is {figure['value']:+.3f}"
    answer = (
        f"{_VERDICTS[verdict(cell)]}: {said} (95 % interval {figure['low']:+.3f} to {figure['high']:+.3f}; "
        f"{cell['films']} films, {cell['pairs']} pairs). p is {cell['p']:.4f} alone, {cell['p_asked']:.4f} among the "
        f"questions asked beforehand and {cell['p_holm']:.4f} among all {len(cells)} comparisons."
    )
    answer = answer.replace("-0.", "−0.")
    return {
        "question": asked,
        "verdict": verdict(cell),
        "answer": answer,
        "films": cell["films"],
        "figure": figure,
        "p": cell["p"],
        "p_asked": cell["p_asked"],
        "p_holm": cell["p_holm"],
    }


_VERDICTS = {
    "yes": "Yes",
    "reversed": "The other way round",
    "among questions": "Likely, though it does not survive correction for everything compared here",
    "alone": "Perhaps: it would stand alone, but not after correction",
    "not seen": "No such link is seen",
}


def verdict(cell: Plain) -> str:
    """How far a link that was asked for stands: which correction it survives, or "not seen"."""
    if cell["p"] >= SIGNIFICANT:
        return "not seen"
    if cell["difference" if cell["kind"] == "genre" else "correlation"]["value"] < 0:
        return "reversed"
    if cell["p_holm"] < SIGNIFICANT:
        return "yes"
    return "among questions" if cell["p_asked"] < SIGNIFICANT else "alone"


def _find(cells: Sequence[Plain], question: tuple[str, str, str]) -> Plain | None:
    for cell in cells:
        if (cell["kind"], cell["label"], cell["feature"]) == question:
            return cell
    return None
