"""All that a build knows of its items as numbers, before any of it is weighed: text, themes, mood, emotion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.catalogue.catalogue import Catalogue
from indexer.catalogue.records import Medium
from indexer.config import BuildConfig
from indexer.features import film_text
from indexer.features.alignment_features import MovieFeatures, TrackFeatures
from indexer.features.columns import read_numbers
from indexer.features.emotion import EmotionModel, MovieRater, TrackRater
from indexer.features.emotion_labels import EmotionLabels, TrackParts
from indexer.features.film_tags import read_film_tags
from indexer.features.mood import estimate_movie_mood, estimate_track_mood
from indexer.features.mood_scale import MoodScale
from indexer.features.polarity import PolarityLexicon
from indexer.features.scaling import Centre, Ranks
from indexer.features.song_labels import gather_labels, gather_years
from indexer.features.text import describe_movies, describe_tracks
from indexer.item_readers import (
    ItemReaders,
    MovieReader,
    TrackReader,
    dial,
    keyword_means,
    label_means,
    movie_parts,
    prefer_rated,
)
from indexer.normalisation import unit
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
    ``readers`` make the same blocks, but for the learned one, of items that are not in the catalogue.
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
    readers: ItemReaders


def describe_items(catalogue: Catalogue, config: BuildConfig, encode: Encode) -> ItemFeatures:
    """Compute the features of a catalogue; emotions only where the settings name both label files."""
    movies, tracks = catalogue.movies, catalogue.tracks
    movie_sentences = describe_movies(movies)
    sentences: dict[Medium, Floats] = {
        "movies": encode(movie_sentences, "films"),
        "tracks": encode(describe_tracks(tracks), "songs"),
    }
    parts = movie_parts(
        {**{name: movies[name] for name in movies.columns}, "sentence": movie_sentences},
        lambda texts: encode(texts, "films"),
    )
    tags = read_film_tags(config.movie_tags, movies) if config.movie_tags is not None else []
    film = film_text.fit(parts, lambda texts: encode(texts, "keywords"), config.seed, tags=tags)
    width = sentences["tracks"].shape[1]
    labels = gather_labels(tracks)
    named = keyword_means(parts.keywords, lambda texts: encode(texts, "keywords"), width)
    labelled = label_means(labels, lambda texts: encode(texts, "labels"), width)
    centre = Centre.fit(sentences["tracks"])
    centred = centre.apply(sentences["tracks"])
    raw = {"movies": estimate_movie_mood(movies), "tracks": estimate_track_mood(tracks)}
    model, rated, emotion_blocks = None, None, {}
    track_parts, track_rater, movie_rater = None, None, None
    if config.song_emotions is not None and config.emotion_words is not None:
        known = EmotionLabels.read(config.song_emotions, config.emotion_words, tracks)

        def encode_labels(texts: Sequence[str]) -> Floats:
            return encode(texts, "labels")

        track_parts = TrackParts.fit(tracks, sentences["tracks"], encode_labels)
        heard = track_parts.read(tracks, sentences["tracks"], encode_labels)
        track_rater, songs = TrackRater.fit(heard, known)
        model = EmotionModel.fit(known.words, encode_labels)
        movie_rater = MovieRater.fit(model, film.text_block, raw["movies"])
        films = movie_rater.rate(model, film.text_block, raw["movies"])
        emotion_blocks = {"movies": unit(model.item_block(films)), "tracks": unit(model.item_block(songs))}
        rated = songs.moods
        raw["tracks"] = prefer_rated(songs, raw["tracks"])
    scales: dict[Medium, MoodScale] = {medium: MoodScale.fit(raw[medium]) for medium in MEDIA}
    moods: dict[Medium, Floats] = {medium: scales[medium].apply(raw[medium]) for medium in MEDIA}
    popularity = {
        "movies": read_numbers(movies, "popularity"),
        "tracks": read_numbers(tracks, "popularity"),
    }
    ranks = {medium: Ranks.fit_shares(popularity[medium]) for medium in MEDIA}
    blocks: dict[Medium, dict[str, Floats]] = {
        "movies": {"text": film.text_block, "themes": film.theme_block},
        "tracks": {"text": centred, "themes": film.query.themes_of(centred)},
    }
    for medium in MEDIA:
        blocks[medium]["mood"] = spread_moods(moods[medium])
        blocks[medium]["dials"] = dial(moods[medium], ranks[medium].apply(popularity[medium]))
        if model is not None:
            blocks[medium]["emotion"] = emotion_blocks[medium]
    movie_features = MovieFeatures.fit(movies, sentences["movies"], named)
    track_features = TrackFeatures.fit(tracks, sentences["tracks"], labels, labelled)
    years = gather_years(tracks)
    alignment: dict[Medium, Floats] = {
        "movies": movie_features.read(movies, sentences["movies"], film.text_block, named),
        "tracks": track_features.read(tracks, sentences["tracks"], labels, labelled, years),
    }
    readers = ItemReaders(
        MovieReader(
            film.reader,
            scales["movies"],
            ranks["movies"],
            movie_features,
            PolarityLexicon.of_textblob(),
            movie_rater,
        ),
        TrackReader(centre, scales["tracks"], ranks["tracks"], track_features, track_parts, track_rater),
    )
    mean = sentences["tracks"].mean(axis=0, dtype=np.float64).astype(np.float32)
    return ItemFeatures(sentences, blocks, alignment, moods, scales, mean, film.query, model, rated, readers)
