"""Evaluation against people's labels: film tags and emotion words as queries, valence and arousal as numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import metrics
from indexer.errors import InputError
from indexer.evaluation_results import LabelFigure, Settings
from indexer.metrics import ClusterBootstrap

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


def evaluate_tags(
    method: str,
    score_texts: Callable[[Sequence[str]], Floats],
    tags: Sequence[str],
    movie_rows: Rows,
    settings: Settings | None = None,
    k: int = 100,
) -> tuple[LabelFigure, LabelFigure]:
    """People's tags as text queries: recall@k of (tag, film) pairs, mean over pairs (micro) and tags (macro).

    ``score_texts``: texts → (n, movies); pair i is ``tags[i]`` and film ``movie_rows[i]``, each pair once. Intervals
    are over films. A tag of more than ``k`` films cannot reach 1.
    """
    settings = settings or Settings()
    if not len(tags):
        raise InputError("no tagged films to evaluate on")
    names, tag, sizes = np.unique(np.array(tags, dtype=str), return_inverse=True, return_counts=True)
    found = np.empty(len(tag))
    movies = 0
    # A first text tells how many films there are, and so how many texts to score at a time.
    start, step = 0, 1
    while start < len(names):
        scores = score_texts([str(name) for name in names[start : start + step]])
        movies = scores.shape[1]
        mine = np.flatnonzero((tag >= start) & (tag < start + step))
        found[mine] = metrics.recall_at(metrics.rank_of(scores, movie_rows[mine], tag[mine] - start), k)
        start, step = start + step, max(1, settings.cells // movies)
    bootstrap = ClusterBootstrap(movie_rows, settings.draws, settings.seed)
    facts = {"gallery": movies, "queries": len(names), "examples": len(tag)}
    return (
        LabelFigure("film tags", method, f"recall@{k}, mean over pairs", bootstrap.mean(found), **facts),
        LabelFigure(
            "film tags",
            method,
            f"recall@{k}, mean over tags",
            bootstrap.mean(found, weights=1.0 / sizes[tag]),
            **facts,
        ),
    )


def evaluate_emotion_words(
    method: str,
    score_texts: Callable[[Sequence[str]], Floats],
    track_rows: Rows,
    words: Sequence[Collection[str]],
    settings: Settings | None = None,
    least: int = 5,
) -> LabelFigure:
    """One emotion word as a text query: mean over words of the AUC among the labelled songs.

    ``words[i]`` are those of the song ``track_rows[i]``; ``score_texts``: texts → (n, tracks). A word counts with at
    least ``least`` songs that have it and as many that have not. The interval resamples words. Raises ``InputError``.
    """
    settings = settings or Settings()
    labelled = [frozenset(some) for some in words]
    areas, examples = [], 0
    for word in sorted(frozenset().union(*labelled)):
        has = np.array([word in some for some in labelled])
        if min(np.count_nonzero(has), np.count_nonzero(~has)) >= least:
            areas.append(metrics.auc(score_texts([word])[0][track_rows], has))
            examples += int(np.count_nonzero(has))
    if not areas:
        raise InputError(f"no emotion word has {least} songs with it and {least} without")
    figure = ClusterBootstrap(np.arange(len(areas)), settings.draws, settings.seed).mean(np.array(areas))
    return LabelFigure(
        "emotion words", method, "AUC, mean over words", figure, len(track_rows), len(areas), examples
    )


def evaluate_mood(
    method: str,
    label: str,
    actual: npt.NDArray[Any],
    predicted: npt.NDArray[Any],
    clusters: npt.NDArray[Any] | None = None,
    settings: Settings | None = None,
) -> LabelFigure:
    """R² of predicted valence or arousal (``label``), both (n,), in the labels' own unit.

    ``clusters`` (n,) are resampled together, artists as a rule; by default each song alone. Raises ``ValueError``
    for a prediction that is not finite: what is unknown has to be left out, and counted, by the caller.
    """
    settings = settings or Settings()
    truth, guess = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if not np.isfinite(guess).all() or not np.isfinite(truth).all():
        raise ValueError(f"{label}: labels and predictions must be finite")
    bootstrap = ClusterBootstrap(
        np.arange(len(truth)) if clusters is None else clusters, settings.draws, settings.seed
    )
    centred = truth - truth.mean()
    ones = np.ones(len(truth))
    missed, squares, sums, count = bootstrap.totals(
        np.stack([(truth - guess) ** 2, centred**2, centred, ones], axis=1)
    ).T
    figure = metrics.interval(
        metrics.r_squared(truth, guess), 1.0 - missed / np.maximum(squares - sums**2 / count, 1e-12)
    )
    return LabelFigure(label, method, "R²", figure, len(truth), len(truth), len(truth))
