"""All that a build knows of its items as numbers, before any of it is weighed: text, themes, mood, emotion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer.catalogue.catalogue import Catalogue
from indexer.catalogue.records import Medium, split_cell
from indexer.config import BuildConfig
from indexer.features import film_text
from indexer.features.alignment_features import movie_features, track_features
from indexer.features.emotion import EmotionModel, rate_tracks
from indexer.features.emotion_labels import EmotionLabels, track_parts
from indexer.features.film_tags import read_film_tags
from indexer.features.mood import estimate_movie_mood, estimate_track_mood
from indexer.features.mood_scale import MoodScale
from indexer.features.song_labels import gather_labels, mean_vectors
from indexer.features.text import describe_movies, describe_tracks
from indexer.normalisation import centre_known, unit
from indexer.space import MEDIA, spread_moods

Floats = npt.NDArray[np.float32]
#: Texts and what they are → embeddings (n, d) float32; an empty text is zeros.
Encode = Callable[[Sequence[str], str], Floats]


@dataclass(frozen=True)
class ItemFeatures:
    """Features by medium, rows as in the catalogue.

    ``sentences``: plain embeddings of the items' sentences; ``blocks``: medium → block name → (n, size), each as
    the space wants it; ``alignment``: medium → (n, d), what the learned alignment reads; ``moods`` in [0, 1] with
    the ``scales`` that made them; ``emotions`` (n, 2): songs' valence and arousal on their labels' scale, or None.
    """

    sentences: Mapping[Medium, Floats]
    blocks: Mapping[Medium, Mapping[str, Floats]]
    alignment: Mapping[Medium, Floats]
    moods: Mapping[Medium, Floats]
    scales: Mapping[Medium, MoodScale]
    track_mean: Floats
    film_text: film_text.FilmTextQuery
    emotion: EmotionModel | None
    emotions: Floats | None


def describe_items(catalogue: Catalogue, config: BuildConfig, encode: Encode) -> ItemFeatures:
    """Compute the features of a catalogue; emotions only where the settings name both label files."""
    movies, tracks = catalogue.movies, catalogue.tracks
    sentences: dict[Medium, Floats] = {
        "movies": encode(describe_movies(movies), "films"),
        "tracks": encode(describe_tracks(tracks), "songs"),
    }
    keywords = [split_cell(cell) for cell in movies["keywords"]]
    overviews = [
        ". ".join(_known(cells)) for cells in zip(movies["tagline"], movies["overview"], strict=True)
    ]
    parts = film_text.FilmParts(
        sentence=sentences["movies"],
        overview=encode(overviews, "overviews"),
        title=encode([str(title) for title in movies["title"]], "film titles"),
        keywords=keywords,
        genres=[split_cell(cell) for cell in movies["genres"]],
    )
    tags = read_film_tags(config.movie_tags, movies) if config.movie_tags is not None else []
    film = film_text.fit(parts, lambda texts: encode(texts, "keywords"), config.seed, tags=tags)
    named = sorted({word for words in keywords for word in words})
    keyword_vectors = dict(zip(named, encode(named, "keywords"), strict=True))
    labels = gather_labels(tracks)
    label_names = sorted({label for row in labels for label in row})
    label_vectors = dict(zip(label_names, encode(label_names, "labels"), strict=True))
    width = sentences["tracks"].shape[1]
    centred = centre_known(sentences["tracks"])
    raw = {"movies": estimate_movie_mood(movies), "tracks": estimate_track_mood(tracks)}
    model, rated, emotion_blocks = None, None, {}
    if config.song_emotions is not None and config.emotion_words is not None:
        known = EmotionLabels.read(config.song_emotions, config.emotion_words, tracks)

        def encode_labels(texts: Sequence[str]) -> Floats:
            return encode(texts, "labels")

        songs = rate_tracks(track_parts(tracks, sentences["tracks"], encode_labels), known)
        model = EmotionModel.fit(known.words, encode_labels)
        films = model.rate_movies(film.text_block, raw["movies"])
        emotion_blocks = {"movies": unit(model.item_block(films)), "tracks": unit(model.item_block(songs))}
        rated = np.stack([songs.valence, songs.arousal], axis=1)
        # What people said of songs like it beats the word list and the audio features alone.
        raw["tracks"] = np.where(np.isnan(rated), raw["tracks"], rated).astype(np.float32)
    scales: dict[Medium, MoodScale] = {medium: MoodScale.fit(raw[medium]) for medium in MEDIA}
    moods: dict[Medium, Floats] = {medium: scales[medium].apply(raw[medium]) for medium in MEDIA}
    blocks: dict[Medium, dict[str, Floats]] = {
        "movies": {"text": film.text_block, "themes": film.theme_block},
        "tracks": {"text": centred, "themes": film.query.themes_of(centred)},
    }
    tables: dict[Medium, pd.DataFrame] = {"movies": movies, "tracks": tracks}
    for medium, table in tables.items():
        blocks[medium]["mood"] = spread_moods(moods[medium])
        blocks[medium]["dials"] = _dials(moods[medium], table["popularity"])
        if model is not None:
            blocks[medium]["emotion"] = emotion_blocks[medium]
    alignment: dict[Medium, Floats] = {
        "movies": movie_features(
            movies, sentences["movies"], film.text_block, mean_vectors(keywords, keyword_vectors, width)
        ),
        "tracks": track_features(
            tracks, sentences["tracks"], labels, mean_vectors(labels, label_vectors, width)
        ),
    }
    mean = sentences["tracks"].mean(axis=0, dtype=np.float64).astype(np.float32)
    return ItemFeatures(sentences, blocks, alignment, moods, scales, mean, film.query, model, rated)


def _dials(moods: Floats, popularity: pd.Series) -> Floats:
    """Valence, arousal and popularity as coordinates (n, 3) in −1…1; unknown is 0. Popularity goes by its rank."""
    shares = popularity.rank(pct=True).to_numpy(dtype=np.float64, na_value=np.nan)
    columns = np.column_stack([moods.astype(np.float64), shares])
    return np.nan_to_num(2.0 * columns - 1.0).astype(np.float32)


def _known(cells: Sequence[object]) -> list[str]:
    return [cell for cell in cells if isinstance(cell, str) and cell]
