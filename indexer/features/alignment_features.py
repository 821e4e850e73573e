"""What the learned alignment reads of films and songs: dense rows of weighed blocks, 0 where unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer.catalogue.records import AUDIO_FEATURES, split_cell
from indexer.features.song_labels import gather_years
from indexer.normalisation import centre_known, unit

Floats = npt.NDArray[np.float32]

#: Weights beside a text of unit length; chosen on public pairs (docs/relevance.md).
_AUDIO_WEIGHT, _GENRE_WEIGHT, _LANGUAGE_WEIGHT = 0.3, 0.5, 0.5
_ERA = np.linspace(1925.0, 2022.0, 14)
_LANGUAGES = 12
#: Terms rarer than this among labels and among keywords say nothing that a few hundred pairs could teach.
_LEAST_LABELLED, _LEAST_KEYWORDED = 20, 5
_TOPICS = 80


def movie_features(movies: pd.DataFrame, sentences: Floats, texts: Floats, keywords: Floats) -> Floats:
    """Features (n, d) float32 of films: sentence, text block, keywords, genres, language, era, keyword topics.

    ``sentences``, ``keywords``: embeddings (n, 384), zeros where unknown; ``texts``: the film text block.
    """
    genres = [split_cell(cell) for cell in movies["genres"]]
    names = sorted({genre for labels in genres for genre in labels})
    spoken = Counter(str(cell) for cell in movies["language"].dropna())
    languages = [
        name for name, _ in sorted(spoken.items(), key=lambda entry: (-entry[1], entry[0]))[:_LANGUAGES]
    ]
    spoken_rows = [[str(cell)] if isinstance(cell, str) else [] for cell in movies["language"]]
    return np.concatenate(
        [
            centre_known(sentences),
            texts,
            centre_known(keywords),
            _GENRE_WEIGHT * _flags(genres, names),
            _LANGUAGE_WEIGHT * _flags(spoken_rows, languages),
            _era(movies["year"].to_numpy(dtype=np.float64, na_value=np.nan)),
            topics([split_cell(cell) for cell in movies["keywords"]], _LEAST_KEYWORDED),
        ],
        axis=1,
    ).astype(np.float32)


def track_features(
    tracks: pd.DataFrame, texts: Floats, labels: Sequence[Sequence[str]], labelled: Floats
) -> Floats:
    """Features (n, d) float32 of songs: sentence, labels, era, audio, label topics.

    ``texts``: embeddings (n, 384) of the sentences; ``labels`` of ``gather_labels`` and ``labelled``, the mean
    embeddings of them, zeros where there are none.
    """
    audio = tracks[list(AUDIO_FEATURES)].to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.where(np.isnan(audio), np.nan, audio)
    counts = np.maximum((~np.isnan(known)).sum(axis=0), 1)
    mean = np.nansum(known, axis=0) / counts
    spread = np.sqrt(np.nansum((known - mean) ** 2, axis=0) / counts)
    scaled = np.divide(known - mean, spread, out=np.zeros_like(known), where=spread > 1e-9)
    return np.concatenate(
        [
            centre_known(texts),
            centre_known(labelled),
            _era(gather_years(tracks)),
            _AUDIO_WEIGHT * np.clip(np.nan_to_num(scaled), -3.0, 3.0),
            topics(labels, _LEAST_LABELLED),
        ],
        axis=1,
    ).astype(np.float32)


def topics(labels: Sequence[Sequence[str]], least: int) -> Floats:
    """Unit rows (n, ≤ 80) of latent topics of labels: truncated SVD of their TF-IDF (Deerwester et al. 1990).

    Labels found on fewer than ``least`` rows are left out; a row without others is zeros.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    counts = Counter(label for row in labels for label in set(row))
    common = sorted(label for label, count in counts.items() if count >= least)
    size = min(_TOPICS, len(common) - 1, len(labels) - 1)
    if size < 2:
        return np.zeros((len(labels), 0), dtype=np.float32)
    weigh = TfidfVectorizer(analyzer=list, vocabulary=common, sublinear_tf=True)
    matrix = weigh.fit_transform([[label for label in row if counts[label] >= least] for row in labels])
    # Rows that are all alike have no variance to explain, which scikit-learn divides by.
    with np.errstate(invalid="ignore"):
        return unit(TruncatedSVD(size, random_state=0).fit_transform(matrix).astype(np.float32))


def _flags(rows: Sequence[Sequence[str]], names: Sequence[str]) -> Floats:
    place = {name: column for column, name in enumerate(names)}
    flags = np.zeros((len(rows), len(names)), dtype=np.float32)
    for row, said in enumerate(rows):
        for name in said:
            if name in place:
                flags[row, place[name]] = 1.0
    return flags


def _era(years: npt.NDArray[np.float64]) -> Floats:
    """Soft bins of years, unit rows; unknown is zeros."""
    width = _ERA[1] - _ERA[0]
    return unit(np.nan_to_num(np.exp(-0.5 * ((years[:, None] - _ERA) / width) ** 2)).astype(np.float32))
