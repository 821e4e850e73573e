"""From what is known of a film or song to the blocks of its vector, by parameters that a build fitted to its catalogue.

A build reads its whole catalogue with them, and a server single items that no catalogue has: both get the same
numbers for the same item. What a catalogue says of an artist is passed in as a table of the artist's other songs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.alignment import Alignment, Whitened
from indexer.catalogue.records import Medium, split_cell
from indexer.features.alignment_features import MovieFeatures, TrackFeatures
from indexer.features.columns import Table, read_numbers, read_texts
from indexer.features.emotion import EmotionModel, MovieRater, TrackEmotions, TrackRater
from indexer.features.emotion_labels import TrackParts
from indexer.features.film_text import FilmParts, FilmReader, FilmTextQuery
from indexer.features.mood import estimate_movie_mood, estimate_track_mood
from indexer.features.mood_scale import MoodScale
from indexer.features.polarity import PolarityLexicon
from indexer.features.scaling import Centre, Ranks
from indexer.features.song_labels import gather_labels, gather_years, mean_vectors
from indexer.normalisation import unit
from indexer.space import spread_moods

Floats = npt.NDArray[np.float32]
#: Texts → embeddings (n, d) float32; an empty text is zeros.
EncodeTexts = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class Read:
    """What was read of items: block name → (n, size), and moods (n, 2) in [0, 1], NaN unknown."""

    blocks: Mapping[str, Floats]
    moods: Floats


@dataclass(frozen=True)
class Projection:
    """From alignment features (n, d) to the learned block: less the ``mean`` (d,), times ``map`` (d, k)."""

    mean: Floats
    map: Floats

    @classmethod
    def of(cls, whitened: Whitened, alignment: Alignment, medium: Medium) -> Projection:
        """Whitening and alignment in one step."""
        return cls(whitened.mean, whitened.whitening @ alignment.maps[medium])

    def apply(self, features: Floats) -> Floats:
        """Learned blocks (n, k), unit rows."""
        return unit((features - self.mean) @ self.map)


@dataclass(frozen=True)
class MovieReader:
    """Reads films: ``rater`` where emotions, ``learned`` where an alignment was learned."""

    film_text: FilmReader
    scale: MoodScale
    popularity: Ranks
    features: MovieFeatures
    polarity: PolarityLexicon
    rater: MovieRater | None
    learned: Projection | None = None

    def read(
        self, movies: Table, query: FilmTextQuery, model: EmotionModel | None, encode: EncodeTexts
    ) -> Read:
        """Read films whose sentences are in the column ``sentence`` beside ``MOVIE_COLUMNS``."""
        parts = movie_parts(movies, encode)
        text, themes = self.film_text.read(parts, query, encode)
        raw = estimate_movie_mood(movies, self._measure_polarity)
        moods = self.scale.apply(raw)
        blocks = {
            "text": text,
            "themes": themes,
            "mood": spread_moods(moods),
            "dials": dial(moods, self.popularity.apply(read_numbers(movies, "popularity"))),
        }
        if self.rater is not None and model is not None:
            emotions = self.rater.rate(model, text, raw)
            blocks["emotion"] = unit(model.item_block(emotions, self.rater.block))
        if self.learned is not None:
            means = keyword_means(parts.keywords, encode, parts.sentence.shape[1])
            blocks["learned"] = self.learned.apply(self.features.read(movies, parts.sentence, text, means))
        return Read(blocks, moods)

    def _measure_polarity(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        measured = (self.polarity.measure(text) for text in texts)
        return np.array([np.nan if value is None else value for value in measured], dtype=np.float64)


@dataclass(frozen=True)
class TrackReader:
    """Reads songs: ``parts`` and ``rater`` where emotions, ``learned`` where an alignment was learned."""

    text: Centre
    scale: MoodScale
    popularity: Ranks
    features: TrackFeatures
    parts: TrackParts | None
    rater: TrackRater | None
    learned: Projection | None = None

    def read(
        self, tracks: Table, query: FilmTextQuery, model: EmotionModel | None, encode: EncodeTexts
    ) -> Read:
        """Read the first song of a table; the others are its artists' other songs, of which it borrows.

        Its sentence is the first cell of the column ``sentence`` beside ``TRACK_COLUMNS``.
        """
        one = {name: column[:1] for name, column in tracks.items()}
        sentences = np.zeros((len(tracks["id"]), len(self.text.mean)), dtype=np.float32)
        sentences[:1] = encode(one["sentence"])
        raw = estimate_track_mood(one)
        blocks: dict[str, Floats] = {}
        if self.parts is not None and self.rater is not None and model is not None:
            parts = self.parts.read(tracks, sentences, encode)
            songs = self.rater.rate({name: part[:1] for name, part in parts.items()})
            blocks["emotion"] = unit(model.item_block(songs, self.rater.block))
            raw = prefer_rated(songs, raw)
        moods = self.scale.apply(raw)
        centred = self.text.apply(sentences[:1])
        blocks |= {
            "text": centred,
            "themes": query.themes_of(centred),
            "mood": spread_moods(moods),
            "dials": dial(moods, self.popularity.apply(read_numbers(one, "popularity"))),
        }
        if self.learned is not None:
            labels = gather_labels(tracks)[:1]
            means = label_means(labels, encode, sentences.shape[1])
            features = self.features.read(one, sentences[:1], labels, means, gather_years(tracks)[:1])
            blocks["learned"] = self.learned.apply(features)
        return Read(blocks, moods)


@dataclass(frozen=True)
class ItemReaders:
    """Both readers."""

    movies: MovieReader
    tracks: TrackReader


def movie_parts(movies: Table, encode: EncodeTexts) -> FilmParts:
    """What the film text is made of; sentences are in the column ``sentence`` beside ``MOVIE_COLUMNS``."""
    prose = zip(read_texts(movies, "tagline"), read_texts(movies, "overview"), strict=True)
    return FilmParts(
        sentence=encode(movies["sentence"]),
        overview=encode([". ".join(part for part in parts if part) for parts in prose]),
        title=encode(read_texts(movies, "title")),
        keywords=[split_cell(cell) for cell in movies["keywords"]],
        genres=[split_cell(cell) for cell in movies["genres"]],
    )


def keyword_means(keywords: Sequence[Sequence[str]], encode: EncodeTexts, width: int) -> Floats:
    """Mean embeddings (n, width) of each row's words; zeros for a row without any."""
    names = sorted({word for words in keywords for word in words})
    vectors = dict(zip(names, encode(names), strict=True)) if names else {}
    return mean_vectors(keywords, vectors, width)


label_means = keyword_means


def prefer_rated(songs: TrackEmotions, raw: Floats) -> Floats:
    """Moods (n, 2): what people said of songs like it beats the word list and the audio features alone."""
    rated = songs.moods
    return np.where(np.isnan(rated), raw, rated).astype(np.float32)


def dial(moods: Floats, shares: npt.NDArray[np.float64]) -> Floats:
    """Valence, arousal and popularity as coordinates (n, 3) in −1…1; unknown is 0. Popularity goes by its rank."""
    columns = np.column_stack([moods.astype(np.float64), shares])
    return np.nan_to_num(2.0 * columns - 1.0).astype(np.float32)
