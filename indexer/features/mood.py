"""Mood on both sides: valence (sad … happy) and arousal (calm … lively) of films and songs.

Both media are rated on the same two axes, after Russell's circumplex model of affect (Russell, 1980), so
that a sad slow song and a melancholy film can meet. Every estimate is a weighted mean over the parts of a row
that say something; a part that says nothing is left out, never filled in. ``mood_words.csv`` holds the
project's own hand ratings of words.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import SEPARATOR
from indexer.features.columns import Table, read_numbers, read_texts

Floats = npt.NDArray[np.float64]
Domain = Literal["film", "song"]
#: Texts → polarity (n,) in −1…1, NaN where none of a text's words is known.
MeasurePolarity = Callable[[Sequence[str]], Floats]

#: Film genres of TMDb and MovieLens → (valence, arousal) in −1…1, rated by hand like the word list. Genres
#: that say little (Drama, Documentary) sit near the middle; IMAX, Foreign and TV Movie say nothing of mood.
GENRE_MOODS: dict[str, tuple[float, float]] = {
    "action": (0.0, 0.7),
    "adventure": (0.3, 0.5),
    "animation": (0.5, 0.3),
    "children": (0.6, 0.3),
    "comedy": (0.6, 0.3),
    "crime": (-0.4, 0.3),
    "documentary": (0.0, -0.3),
    "drama": (-0.2, -0.3),
    "family": (0.6, 0.2),
    "fantasy": (0.3, 0.2),
    "film-noir": (-0.5, 0.1),
    "history": (-0.2, -0.2),
    "horror": (-0.6, 0.6),
    "music": (0.5, 0.3),
    "musical": (0.7, 0.4),
    "mystery": (-0.3, 0.1),
    "romance": (0.4, -0.2),
    "sci-fi": (0.0, 0.4),
    "science fiction": (0.0, 0.4),
    "thriller": (-0.4, 0.6),
    "war": (-0.6, 0.5),
    "western": (0.0, 0.2),
}

#: How much each part of a film counts. Genres and keywords are chosen to say what a film is like; the words
#: of a synopsis retell events and are weaker evidence; polarity is TextBlob's reading of the same synopsis.
FILM_WEIGHTS: dict[str, float] = {"genres": 1.0, "keywords": 1.0, "prose": 0.5, "polarity": 0.5}

#: TextBlob's polarity of a synopsis is mostly within ±0.4; this is what counts as fully happy or sad.
POLARITY_SPAN = 0.4

#: How much a song's tags with its genres, and its title, count beside the audio features (weighted below).
SONG_WEIGHTS: dict[str, float] = {"tags": 1.0, "title": 0.6}


class AudioPart(NamedTuple):
    """One audio feature as evidence: the value that means −1, the value that means +1, and its weight."""

    low: float
    high: float
    weight: float


#: Spotify's own valence: how happy the sound is. Danceability, mode and energy added nothing beside it.
AUDIO_VALENCE: dict[str, AudioPart] = {"valence": AudioPart(0.0, 1.0, 1.0)}

#: Loudness in dB and tempo in beats a minute: the ends are near the extremes of recorded songs. Energy
#: already contains loudness and most of (the lack of) acousticness, hence their small weights. People call
#: a sad song calmer and a happy one livelier than its energy alone says, hence valence here.
AUDIO_AROUSAL: dict[str, AudioPart] = {
    "energy": AudioPart(0.0, 1.0, 1.0),
    "valence": AudioPart(0.0, 1.0, 0.2),
    "tempo": AudioPart(60.0, 180.0, 0.3),
    "loudness": AudioPart(-20.0, -2.0, 0.2),
    "acousticness": AudioPart(1.0, 0.0, 0.15),
}

#: A part with this many matched words has half its weight: one word is a hint, ten are evidence.
HALF_WEIGHT_WORDS = 1.0


def split_words(text: str) -> list[str]:
    """Lower-case words of a text; punctuation parts them and a plural "s" goes ("zombies" is "zombie")."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return [w[:-1] if len(w) > 3 and w[-1] == "s" and w[-2] not in "sui" else w for w in words]


class Evidence(NamedTuple):
    """What a text said: per axis, the sum of the ratings and how many there were."""

    valence: float = 0.0
    arousal: float = 0.0
    valence_count: int = 0
    arousal_count: int = 0

    def add(self, other: Evidence) -> Evidence:
        """Both together."""
        return Evidence(
            self.valence + other.valence,
            self.arousal + other.arousal,
            self.valence_count + other.valence_count,
            self.arousal_count + other.arousal_count,
        )


class MoodLexicon:
    """Phrases with (valence, arousal), looked up longest first: "black comedy" is not read as "comedy".

    A rating of NaN says nothing on that axis; a phrase with two only keeps its words from being read singly.
    """

    def __init__(self, ratings: Mapping[str, tuple[float, float]]) -> None:
        self._ratings: dict[str, Evidence] = {}
        self._longest: dict[str, int] = {}
        self._read: dict[str, Evidence] = {}
        for phrase, (valence, arousal) in ratings.items():
            words = split_words(phrase)
            known = (not np.isnan(valence), not np.isnan(arousal))
            self._ratings[" ".join(words)] = Evidence(
                valence if known[0] else 0.0, arousal if known[1] else 0.0, int(known[0]), int(known[1])
            )
            self._longest[words[0]] = max(len(words), self._longest.get(words[0], 0))

    def read(self, text: str) -> Evidence:
        """Sum the ratings of the phrases in a text, left to right, each word used once."""
        words = split_words(text)
        found = Evidence()
        start = 0
        while start < len(words):
            step = 1
            for size in range(min(self._longest.get(words[start], 0), len(words) - start), 0, -1):
                rating = self._ratings.get(" ".join(words[start : start + size]))
                if rating is not None:
                    found, step = found.add(rating), size
                    break
            start += step
        return found

    def read_many(self, cell: str) -> Evidence:
        """Sum over the ``SEPARATOR``-joined parts of a cell; parts recur in a catalogue and are read once."""
        found = Evidence()
        for part in cell.split(SEPARATOR):
            if part not in self._read:
                self._read[part] = self.read(part)
            found = found.add(self._read[part])
        return found


@cache
def load_lexicon(domain: Domain) -> MoodLexicon:
    """The word list for one medium: its rows for both media, overruled by those for this one alone."""
    ratings: dict[str, dict[str, tuple[float, float]]] = {"both": {}, "film": {}, "song": {}}
    with Path(__file__).with_name("mood_words.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rating = (float(row["valence"] or "nan"), float(row["arousal"] or "nan"))
            ratings[row["medium"]][" ".join(split_words(row["phrase"]))] = rating
    return MoodLexicon({**ratings["both"], **ratings[domain]})


def estimate_movie_mood(
    movies: Table, measure_polarity: MeasurePolarity | None = None
) -> npt.NDArray[np.float32]:
    """Estimate the mood of films from genres, keywords, synopsis words and TextBlob's polarity.

    ``movies`` has the columns of ``MOVIE_COLUMNS``; ``measure_polarity`` is TextBlob unless given. Returns (n, 2)
    float32: raw valence and arousal in −1…1, NaN where nothing is known.
    """
    lexicon = load_lexicon("film")
    genres = MoodLexicon(GENRE_MOODS)
    overview, tagline = read_texts(movies, "overview"), read_texts(movies, "tagline")
    words = {
        "genres": [genres.read_many(cell) for cell in read_texts(movies, "genres")],
        "keywords": [lexicon.read_many(cell) for cell in read_texts(movies, "keywords")],
        "prose": [lexicon.read(a).add(lexicon.read(b)) for a, b in zip(overview, tagline, strict=True)],
    }
    valence, arousal = _weigh_words(words, FILM_WEIGHTS)
    polarity = np.clip((measure_polarity or _measure_polarity)(overview) / POLARITY_SPAN, -1.0, 1.0)
    valence.append((polarity, np.full(len(overview), FILM_WEIGHTS["polarity"])))
    return np.stack([_average(valence), _average(arousal)], axis=1).astype(np.float32)


def estimate_track_mood(tracks: Table) -> npt.NDArray[np.float32]:
    """Estimate the mood of songs from audio features, genres, tags and title.

    ``tracks`` has the columns of ``TRACK_COLUMNS``. Returns (n, 2) float32: raw valence and arousal in
    −1…1, NaN where nothing is known.
    """
    lexicon = load_lexicon("song")
    cells = zip(read_texts(tracks, "genres"), read_texts(tracks, "tags"), strict=True)
    words = {
        "tags": [lexicon.read_many(genres).add(lexicon.read_many(tags)) for genres, tags in cells],
        "title": [lexicon.read(title) for title in read_texts(tracks, "title")],
    }
    valence, arousal = _weigh_words(words, SONG_WEIGHTS)
    valence.extend(_weigh_audio(tracks, AUDIO_VALENCE))
    arousal.extend(_weigh_audio(tracks, AUDIO_AROUSAL))
    return np.stack([_average(valence), _average(arousal)], axis=1).astype(np.float32)


def _weigh_words(
    words: Mapping[str, Sequence[Evidence]], weights: Mapping[str, float]
) -> tuple[list[tuple[Floats, Floats]], list[tuple[Floats, Floats]]]:
    """Turn word evidence into (values, weights) parts, for valence and for arousal."""
    axes: tuple[list[tuple[Floats, Floats]], list[tuple[Floats, Floats]]] = ([], [])
    for name, found in words.items():
        table = np.array(found, dtype=np.float64).reshape(-1, 4)
        for axis in (0, 1):
            total, count = table[:, axis], table[:, axis + 2]
            values = np.divide(total, count, out=np.full(len(table), np.nan), where=count > 0)
            axes[axis].append((values, weights[name] * count / (count + HALF_WEIGHT_WORDS)))
    return axes


def _weigh_audio(tracks: Table, parts: Mapping[str, AudioPart]) -> Iterable[tuple[Floats, Floats]]:
    for name, part in parts.items():
        raw = read_numbers(tracks, name)
        if name == "tempo":
            raw = np.where(raw > 0, raw, np.nan)  # Spotify writes 0 where it found no beat
        values = np.clip(2 * (raw - part.low) / (part.high - part.low) - 1, -1.0, 1.0)
        yield values, np.full(len(raw), part.weight)


def _average(parts: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Weighted mean over the parts that are there; NaN where none is."""
    values = np.stack([value for value, _ in parts])
    weights = np.where(np.isnan(values), 0.0, np.stack([weight for _, weight in parts]))
    total = weights.sum(axis=0)
    summed = (weights * np.nan_to_num(values)).sum(axis=0)
    mean: Floats = np.divide(summed, total, out=np.full(len(total), np.nan), where=total > 0)
    return mean


def _measure_polarity(texts: Sequence[str]) -> Floats:
    """TextBlob's polarity (−1…1) of each text; NaN where it knows none of the words."""
    from textblob import TextBlob

    polarity = np.full(len(texts), np.nan)
    for position, text in enumerate(texts):
        sentiment = TextBlob(text).sentiment
        # 0 and 0 is what it answers when no word is in its lexicon.
        if sentiment.polarity or sentiment.subjectivity:
            polarity[position] = sentiment.polarity
    return polarity
