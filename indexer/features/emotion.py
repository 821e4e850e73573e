"""Emotion on both sides: a profile over named emotion words, valence and arousal, learned from people's labels.

Songs: kernel ridge regression (Saunders, Gammerman & Vovk, 1998) on a sum of radial kernels, one per part of
what is known of a song; a part that is not known adds nothing to the kernel, so that less evidence pulls the
estimate towards the mean and no stand-in value is ever read as data. One kernel serves valence, arousal and
every emotion word. Words with few labelled songs lean on the valence and arousal of their songs.

Films have no such labels: their text is compared with each word and calibrated over all films (zero-shot),
and valence and arousal come from a ridge map learned on the hand-rated word list, applied to their text.

A text asks by meaning: a softmax of its cosine to each word, which also serves words outside the labels, and
its own valence and arousal by the same map.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.errors import InputError, VersionDamaged
from indexer.features.emotion_labels import EmotionLabels
from indexer.features.scaling import Centre, Spread
from indexer.normalisation import unit

Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]

#: Cosine differences of this size make one emotion word e times as likely as another.
_TEMPERATURE = 0.06
#: A text whose nearest word has this cosine or less names no emotion; from the second on it fully does.
_NAMES_NOTHING, _NAMES_ONE = 0.25, 0.55
#: Weight of valence and arousal beside a word that is known, and what is added where none is.
_MOOD_BESIDE, _MOOD_ALONE = 0.25, 0.75
#: With this many labelled songs a word leans half on its songs' valence and arousal.
_HALF_TRUST_SONGS = 20.0
_RIDGE_MOOD, _RIDGE_WORDS, _RIDGE_LEXICON = 2.0, 4.0, 1.0
_CHUNK_ROWS = 2048


class Kernel(NamedTuple):
    """Weight and width of one part: weight · exp(−gamma · squared distance)."""

    weight: float
    gamma: float


#: Chosen by cross-validation over artists; see ``TrackParts`` for what the parts are.
KERNELS: dict[str, Kernel] = {
    "audio": Kernel(1.0, 0.05),
    "sentence": Kernel(2.0, 1.0),
    "title": Kernel(1.0, 1.0),
    "artist_tags": Kernel(1.0, 1.0),
    "artist_audio": Kernel(0.5, 0.05),
    "facts": Kernel(0.5, 0.1),
}


@dataclass(frozen=True)
class TrackEmotions:
    """Emotions of items: ``valence`` and ``arousal`` (n,) standardised, NaN unknown; ``profile`` (n, K), 0 unknown."""

    valence: Floats
    arousal: Floats
    profile: Floats

    @property
    def moods(self) -> Floats:
        """Valence and arousal side by side (n, 2)."""
        return np.stack([self.valence, self.arousal], axis=1)


@dataclass(frozen=True)
class EmotionModel:
    """The part that a server needs: K emotion ``words``, and maps from a text's embedding.

    ``word_vectors`` (K, d) unit rows; ``centre`` (d,) taken from every text; ``mood_map`` (d, 2): centred unit
    text → valence and arousal.
    """

    words: tuple[str, ...]
    word_vectors: Floats
    centre: Floats
    mood_map: Floats

    @classmethod
    def fit(cls, words: Sequence[str], encode: Encode) -> EmotionModel:
        """Learn the maps from the emotion words and the hand-rated word list; ``encode`` gives unit rows."""
        phrases, ratings = _rated_phrases()
        raw = encode(phrases)
        centre = raw.mean(axis=0)
        known = unit(raw - centre).astype(np.float64)
        gram = known.T @ known + _RIDGE_LEXICON * np.eye(known.shape[1])
        mood_map = np.linalg.solve(gram, known.T @ (ratings - ratings.mean(axis=0)))
        vectors = unit(encode(list(words)) - centre)
        return cls(tuple(words), vectors, centre.astype(np.float32), mood_map.astype(np.float32))

    def ask(self, embedding: Floats) -> Floats:
        """Weights (K,) of the words that a text means, from its embedding (d,); they add up to 0…1."""
        cosines = self.word_vectors @ self._centred(embedding[None])[0]
        raised = np.exp((cosines - cosines.max()) / _TEMPERATURE)
        weights: Floats = (self.certainty(embedding) * raised / raised.sum()).astype(np.float32)
        return weights

    def certainty(self, embedding: Floats) -> float:
        """How surely a text names an emotion: 0 (not at all) … 1."""
        nearest = float((self.word_vectors @ self._centred(embedding[None])[0]).max())
        return min(max((nearest - _NAMES_NOTHING) / (_NAMES_ONE - _NAMES_NOTHING), 0.0), 1.0)

    def ask_mood(self, embedding: Floats) -> Floats:
        """Valence and arousal (2,) that a text means, about −1…1; near 0 where it means none."""
        mood: Floats = self._centred(embedding[None])[0] @ self.mood_map
        return mood

    def query_block(self, embedding: Floats) -> Floats:
        """The block (K + 2,) of a text: its words, then valence and arousal, for ``item_block``."""
        beside = _MOOD_BESIDE + _MOOD_ALONE * (1.0 - self.certainty(embedding))
        return np.concatenate([self.ask(embedding), beside * self.ask_mood(embedding)]).astype(np.float32)

    @staticmethod
    def item_block(emotions: TrackEmotions, spread: Spread | None = None) -> Floats:
        """The blocks (n, K + 2) of rated items: profile, then spread valence and arousal; unknown is all zeros.

        ``spread`` is that of the catalogue's items where these are others.
        """
        moods = emotions.moods
        mood = (spread or Spread.fit(moods)).apply(moods)
        return np.concatenate([emotions.profile, mood], axis=1).astype(np.float32)

    def rate_movies(self, texts: Floats, moods: Floats) -> TrackEmotions:
        """Emotions of a catalogue's films, as ``MovieRater`` has them."""
        return MovieRater.fit(self, texts, moods).rate(self, texts, moods)

    def write(self, folder: Path) -> None:
        """Write ``emotion.json`` and arrays into a new folder; the same model gives the same bytes."""
        folder.mkdir()
        (folder / "emotion.json").write_text(json.dumps({"words": self.words}) + "\n", encoding="utf-8")
        for name in ("word_vectors", "centre", "mood_map"):
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> EmotionModel:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        try:
            words = tuple(json.loads((folder / "emotion.json").read_text(encoding="utf-8"))["words"])
            vectors, centre, mood_map = (
                np.load(folder / f"{name}.npy", allow_pickle=False)
                for name in ("word_vectors", "centre", "mood_map")
            )
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise VersionDamaged(f"{folder.name}: the emotion model cannot be read: {error}") from error
        if vectors.shape != (len(words), len(centre)) or mood_map.shape != (len(centre), 2):
            raise VersionDamaged(f"{folder.name}: the emotion model's arrays do not fit together")
        return cls(words, vectors, centre, mood_map)

    def _centred(self, embeddings: Floats) -> Floats:
        return unit(embeddings.astype(np.float32) - self.centre)


@dataclass(frozen=True)
class MovieRater:
    """What films' texts and moods are measured against: the mean text, and how scores spread over all films."""

    text: Centre
    by_text: Spread
    by_words: Spread
    hand_rated: Spread
    block: Spread

    @classmethod
    def fit(cls, model: EmotionModel, texts: Floats, moods: Floats) -> MovieRater:
        """Measure a catalogue; arguments as of ``rate``."""
        centre = Centre.fit(texts)
        likeness, by_text = _compare(model, centre.apply(texts))
        nothing = Spread(np.zeros(2), np.zeros(2))
        found = cls(centre, Spread.fit(by_text), Spread.fit(likeness), Spread.fit(moods), nothing)
        return replace(found, block=Spread.fit(found.rate(model, texts, moods).moods))

    def rate(self, model: EmotionModel, texts: Floats, moods: Floats) -> TrackEmotions:
        """Emotions of films from text embeddings (n, d) and hand-rated moods (n, 2), NaN unknown.

        A film with an all-zero text has no profile; its mood is the mean of what is known, each spread over
        the films that have it.
        """
        likeness, by_text = _compare(model, self.text.apply(texts))
        both = np.stack(
            [self.by_text.apply(by_text, keep_nan=True), self.hand_rated.apply(moods, keep_nan=True)]
        )
        count = (~np.isnan(both)).sum(axis=0)
        mood = np.divide(np.nansum(both, axis=0), count, out=np.full(moods.shape, np.nan), where=count > 0)
        mood = mood.astype(np.float32)
        return TrackEmotions(mood[:, 0], mood[:, 1], self.by_words.apply(likeness))


def _compare(
    model: EmotionModel, centred: Floats
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Likeness (n, K) of centred texts to each word, and the mood (n, 2) they mean; NaN for an all-zero text."""
    known = np.any(centred != 0, axis=1)[:, None]
    likeness = np.where(known, centred @ model.word_vectors.T, np.nan)
    return likeness, np.where(known, centred @ model.mood_map, np.nan)


@dataclass(frozen=True)
class TrackRater:
    """Emotions of songs by kernel ridge: the labelled songs' ``parts`` (m, d) by name, and dual ``weights`` (m, 2 + K).

    The spreads are those over the catalogue's songs; ``trust`` (K,) and ``directions`` (K, 2) say how far each word
    is trusted and which mood its songs have.
    """

    names: tuple[str, ...]
    parts: tuple[Floats, ...]
    weights: Floats
    mood_mean: Floats
    trust: Floats
    directions: Floats
    by_words: Spread
    mood: Spread
    by_mood: Spread
    profile: Spread
    block: Spread

    @classmethod
    def fit(cls, parts: Mapping[str, Floats], labels: EmotionLabels) -> tuple[TrackRater, TrackEmotions]:
        """Learn from the labelled songs of a catalogue, and rate all of it; arguments as of ``rate_tracks``."""
        unknown = sorted(set(parts) - set(KERNELS))
        if unknown or not parts:
            raise InputError(f"no kernel for the parts {unknown}; known: {', '.join(KERNELS)}")
        there = _known(parts)
        rows = np.union1d(labels.rows, labels.word_rows)
        rows = rows[there[rows]]
        if len(rows) < 2:
            raise InputError("fewer than two labelled songs have anything that emotions can be learned from")
        labelled = {name: part[rows] for name, part in parts.items()}
        gram = _kernel(labelled, labelled).astype(np.float64)
        mood_weights, mood_mean = _solve(gram, rows, labels.rows, labels.mood, _RIDGE_MOOD)
        word_weights, _ = _solve(gram, rows, labels.word_rows, labels.words_said, _RIDGE_WORDS)
        weights = np.concatenate([mood_weights, word_weights], axis=1).astype(np.float32)
        trust, directions = _word_moods(labels)
        rated = _estimate(parts, labelled, weights)
        mood = rated[:, :2] + mood_mean.astype(np.float32)
        by_words, mood_spread = Spread.fit(rated[:, 2:]), Spread.fit(mood)
        likely = mood_spread.apply(mood, keep_nan=True) @ directions.T
        by_mood = Spread.fit(likely)
        both = trust * by_words.apply(rated[:, 2:], keep_nan=True)
        both += (1 - trust) * by_mood.apply(likely, keep_nan=True)
        profile = Spread.fit(both)
        rater = cls(
            tuple(labelled),
            tuple(labelled.values()),
            weights,
            mood_mean.astype(np.float32),
            trust,
            directions,
            by_words,
            mood_spread,
            by_mood,
            profile,
            mood_spread,
        )
        return rater, TrackEmotions(mood[:, 0], mood[:, 1], profile.apply(both))

    def rate(self, parts: Mapping[str, Floats]) -> TrackEmotions:
        """Emotions of songs that need not be in the catalogue; ``parts`` as the fit had them."""
        rated = _estimate(parts, dict(zip(self.names, self.parts, strict=True)), self.weights)
        mood = rated[:, :2] + self.mood_mean
        likely = self.mood.apply(mood, keep_nan=True) @ self.directions.T
        both = self.trust * self.by_words.apply(rated[:, 2:], keep_nan=True)
        both += (1 - self.trust) * self.by_mood.apply(likely, keep_nan=True)
        return TrackEmotions(mood[:, 0], mood[:, 1], self.profile.apply(both))


def rate_tracks(parts: Mapping[str, Floats], labels: EmotionLabels) -> TrackEmotions:
    """Emotions of all songs by kernel ridge on the labelled ones.

    ``parts``: name in ``KERNELS`` → (n, d) float32, a row of zeros where the part is not known. Raises
    ``InputError`` for a part without a kernel or where no labelled song has any part. Valence and arousal are on
    the labels' scale; a profile column has mean 0 and deviation 1 over the known songs.
    """
    return TrackRater.fit(parts, labels)[1]


def _known(parts: Mapping[str, Floats]) -> npt.NDArray[np.bool_]:
    known: npt.NDArray[np.bool_] = np.any([np.any(part != 0, axis=1) for part in parts.values()], axis=0)
    return known


def _estimate(parts: Mapping[str, Floats], labelled: Mapping[str, Floats], weights: Floats) -> Floats:
    """Kernel sums (n, targets) of songs; NaN for those of which nothing is known."""
    there = _known(parts)
    rated = np.full((len(there), weights.shape[1]), np.nan, dtype=np.float32)
    places = np.flatnonzero(there)
    for start in range(0, len(places), _CHUNK_ROWS):
        chunk = places[start : start + _CHUNK_ROWS]
        rated[chunk] = _kernel({name: part[chunk] for name, part in parts.items()}, labelled) @ weights
    return rated


def _kernel(left: Mapping[str, Floats], right: Mapping[str, Floats]) -> Floats:
    total = np.zeros((len(next(iter(left.values()))), len(next(iter(right.values())))), dtype=np.float32)
    for name, a in left.items():
        weight, gamma = KERNELS[name]
        b = right[name]
        squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * (a @ b.T)
        likeness = np.exp(-np.float32(gamma) * np.maximum(squares, 0.0))
        likeness *= np.any(a != 0, axis=1)[:, None]
        likeness *= np.any(b != 0, axis=1)
        total += np.float32(weight / sum(KERNELS[used].weight for used in left)) * likeness
    return total


def _solve(
    gram: npt.NDArray[np.float64],
    rows: npt.NDArray[np.int64],
    labelled: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    ridge: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Dual weights (rows, targets) of kernel ridge, zero for rows without this label, and the targets' means."""
    kept = np.isin(labelled, rows)
    places = np.searchsorted(rows, labelled[kept])
    mean = values[kept].mean(axis=0)
    deviation = np.maximum(values[kept].std(axis=0), 1e-9)
    system = gram[np.ix_(places, places)] + ridge * np.eye(len(places))
    weights = np.zeros((len(rows), values.shape[1]))
    weights[places] = np.linalg.solve(system, (values[kept] - mean) / deviation) * deviation
    return weights, mean


def _word_moods(labels: EmotionLabels) -> tuple[Floats, Floats]:
    """How far each word is trusted (K,), and the mean mood of its songs (K, 2), in deviations from all songs'."""
    _, said, rated = np.intersect1d(labels.word_rows, labels.rows, return_indices=True)
    counts = labels.words_said.sum(axis=0)
    mood = labels.mood[rated]
    mood = (mood - mood.mean(axis=0)) / np.maximum(mood.std(axis=0), 1e-9)
    table = labels.words_said[said]
    directions = (table.T @ mood) / np.maximum(table.sum(axis=0), 1.0)[:, None]
    trust = counts / (counts + _HALF_TRUST_SONGS)
    return trust.astype(np.float32), directions.astype(np.float32)


def _rated_phrases() -> tuple[list[str], npt.NDArray[np.float64]]:
    with Path(__file__).with_name("mood_words.csv").open(encoding="utf-8", newline="") as file:
        kept = [
            (row["phrase"], float(row["valence"]), float(row["arousal"]))
            for row in csv.DictReader(file)
            if row["medium"] != "film" and row["valence"] and row["arousal"]
        ]
    return [phrase for phrase, _, _ in kept], np.array([ratings for _, *ratings in kept])
