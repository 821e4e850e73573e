"""What the learned alignment reads of films and songs: dense rows of weighed blocks, 0 where unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import AUDIO_FEATURES, split_cell
from indexer.features.columns import Table, read_numbers
from indexer.features.scaling import Centre, Spread
from indexer.normalisation import unit

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]

#: Weights beside a text of unit length; chosen on public pairs (docs/relevance.md).
_AUDIO_WEIGHT, _GENRE_WEIGHT, _LANGUAGE_WEIGHT = 0.3, 0.5, 0.5
_ERA = np.linspace(1925.0, 2022.0, 14)
_LANGUAGES = 12
#: Terms rarer than this among labels and among keywords say nothing that a few hundred pairs could teach.
_LEAST_LABELLED, _LEAST_KEYWORDED = 20, 5
_TOPICS = 80


@dataclass(frozen=True)
class Topics:
    """Latent topics of labels: truncated SVD of their TF-IDF (Deerwester et al. 1990).

    ``labels`` (v,) with their ``idf`` (v,) float64; ``components`` (≤ 80, v) float32.
    """

    labels: tuple[str, ...]
    idf: Floats64
    components: Floats

    @classmethod
    def fit(cls, rows: Sequence[Sequence[str]], least: int) -> Topics:
        """Learn from each row's labels; those found on fewer than ``least`` rows are left out."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        counts = Counter(label for row in rows for label in set(row))
        common = sorted(label for label, count in counts.items() if count >= least)
        size = min(_TOPICS, len(common) - 1, len(rows) - 1)
        if size < 2:
            return cls((), np.zeros(0), np.zeros((0, 0), dtype=np.float32))
        weigh = TfidfVectorizer(analyzer=list, vocabulary=common, sublinear_tf=True)
        matrix = weigh.fit_transform([[label for label in row if counts[label] >= least] for row in rows])
        # Rows that are all alike have no variance to explain, which scikit-learn divides by.
        with np.errstate(invalid="ignore"):
            reduced = TruncatedSVD(size, random_state=0).fit(matrix)
        return cls(tuple(common), weigh.idf_.astype(np.float64), reduced.components_.astype(np.float32))

    def apply(self, rows: Sequence[Sequence[str]]) -> Floats:
        """Unit rows (n, ≤ 80) of labels; a row without any that is known is zeros."""
        place = {label: column for column, label in enumerate(self.labels)}
        found = np.zeros((len(rows), len(self.components)), dtype=np.float32)
        columns_of = np.ascontiguousarray(self.components.T)
        for number, row in enumerate(rows):
            counts = Counter(place[label] for label in row if label in place)
            if counts:
                columns = list(counts)
                weights = (1.0 + np.log(list(counts.values()))) * self.idf[columns]
                found[number] = (weights / np.linalg.norm(weights)) @ columns_of[columns]
        return unit(found)


@dataclass(frozen=True)
class MovieFeatures:
    """What films' features are measured against: means of embeddings, genres, languages and keyword topics."""

    sentences: Centre
    keywords: Centre
    genres: tuple[str, ...]
    languages: tuple[str, ...]
    topics: Topics

    @classmethod
    def fit(cls, movies: Table, sentences: Floats, keywords: Floats) -> MovieFeatures:
        """Measure a catalogue; ``sentences`` and ``keywords`` are embeddings (n, 384), zeros where unknown."""
        genres = {genre for cell in movies["genres"] for genre in split_cell(cell)}
        spoken = Counter(cell for cell in movies["language"] if isinstance(cell, str))
        commonest = sorted(spoken.items(), key=lambda entry: (-entry[1], entry[0]))[:_LANGUAGES]
        return cls(
            Centre.fit(sentences),
            Centre.fit(keywords),
            tuple(sorted(genres)),
            tuple(name for name, _ in commonest),
            Topics.fit([split_cell(cell) for cell in movies["keywords"]], _LEAST_KEYWORDED),
        )

    def read(self, movies: Table, sentences: Floats, texts: Floats, keywords: Floats) -> Floats:
        """Features (n, d) float32: sentence, text block, keywords, genres, language, era, keyword topics.

        ``sentences``, ``keywords``: embeddings (n, 384), zeros where unknown; ``texts``: the film text block.
        """
        genres = [split_cell(cell) for cell in movies["genres"]]
        spoken = [[cell] if isinstance(cell, str) else [] for cell in movies["language"]]
        return np.concatenate(
            [
                self.sentences.apply(sentences),
                texts,
                self.keywords.apply(keywords),
                _GENRE_WEIGHT * _flags(genres, self.genres),
                _LANGUAGE_WEIGHT * _flags(spoken, self.languages),
                _era(read_numbers(movies, "year")),
                self.topics.apply([split_cell(cell) for cell in movies["keywords"]]),
            ],
            axis=1,
        ).astype(np.float32)


@dataclass(frozen=True)
class TrackFeatures:
    """What songs' features are measured against: means of embeddings, audio features, and label topics."""

    sentences: Centre
    labelled: Centre
    audio: Spread
    topics: Topics

    @classmethod
    def fit(
        cls, tracks: Table, sentences: Floats, labels: Sequence[Sequence[str]], labelled: Floats
    ) -> TrackFeatures:
        """Measure a catalogue; arguments as of ``read``."""
        return cls(
            Centre.fit(sentences),
            Centre.fit(labelled),
            Spread.fit(_audio(tracks)),
            Topics.fit(labels, _LEAST_LABELLED),
        )

    def read(
        self,
        tracks: Table,
        sentences: Floats,
        labels: Sequence[Sequence[str]],
        labelled: Floats,
        years: Floats64,
    ) -> Floats:
        """Features (n, d) float32: sentence, labels, era, audio, label topics.

        ``sentences``: embeddings (n, 384) of the sentences; ``labels`` and ``years`` of ``song_labels`` and
        ``labelled``, the mean embeddings of the labels, zeros where there are none.
        """
        return np.concatenate(
            [
                self.sentences.apply(sentences),
                self.labelled.apply(labelled),
                _era(years),
                _AUDIO_WEIGHT * np.clip(self.audio.apply(_audio(tracks)), -3.0, 3.0),
                self.topics.apply(labels),
            ],
            axis=1,
        ).astype(np.float32)


def _audio(tracks: Table) -> Floats64:
    return np.stack([read_numbers(tracks, name) for name in AUDIO_FEATURES], axis=1)


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
