"""The two sides that emotions are learned from: what is known of songs, and how people labelled them.

Two kinds of files are read: one of standardised valence and arousal (``track_id, valence, arousal``), as in
Delbouys et al. (2018), "Music mood detection based on audio and lyrics with deep neural net"; and one with
``track_id, valence, arousal`` in 0…1 and ``emotion_tags``, words joined by ``|``. Labels become valence and
arousal on one scale, and a table of emotion words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import AUDIO_FEATURES, SEPARATOR
from indexer.errors import InputError, MissingColumn, UnreadableFile
from indexer.features.columns import Table, read_numbers, read_texts
from indexer.features.scaling import Centre, Ranks

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]

#: An emotion word needs this many labelled songs to be learned.
LEAST_SONGS = 8
#: Songs labelled in both files that the map between their scales needs.
_LEAST_SHARED = 30
#: An artist's mean over this many other songs counts half; fewer say little about this song.
_HALF_TRUST_SONGS = 2.0


@dataclass(frozen=True)
class EmotionLabels:
    """Labels of catalogue songs.

    ``rows`` (n,) int64: rows of the catalogue; ``mood`` (n, 2) float64: their standardised valence and arousal.
    ``word_rows`` (m,) int64 and ``words_said`` (m, K) float64 of 0 and 1: which of ``words`` people said of them.
    """

    rows: npt.NDArray[np.int64]
    mood: npt.NDArray[np.float64]
    word_rows: npt.NDArray[np.int64]
    words_said: npt.NDArray[np.float64]
    words: tuple[str, ...]

    @classmethod
    def read(
        cls, mood_file: Path, words_file: Path, tracks: pd.DataFrame, least_songs: int = LEAST_SONGS
    ) -> EmotionLabels:
        """Read both files; songs that are not in ``tracks`` (``id`` and ``other_ids``) are left out.

        Raises ``UnreadableFile``, ``MissingColumn``, or ``InputError`` where values make no sense or too few
        songs are known.
        """
        row_of = _rows_by_id(tracks)
        mood = _read(mood_file, ("track_id", "valence", "arousal"), row_of)
        said = _read(words_file, ("track_id", "valence", "arousal", "emotion_tags"), row_of)
        unit = said[["valence", "arousal"]].to_numpy(dtype=np.float64)
        if ((unit < 0) | (unit > 1)).any():
            raise InputError(f"{words_file.name}: valence and arousal must lie between 0 and 1")
        return cls.from_tables(mood, said, least_songs, f"{mood_file.name} and {words_file.name}")

    @classmethod
    def from_tables(
        cls, mood: pd.DataFrame, said: pd.DataFrame, least_songs: int, source: str
    ) -> EmotionLabels:
        """Labels from tables with ``row``, ``valence``, ``arousal`` and, in ``said``, ``emotion_tags``."""
        rows, values = _mean_by_row(mood)
        lists = [
            {word.strip().casefold() for word in str(cell).split(SEPARATOR) if word.strip()}
            for cell in said["emotion_tags"].fillna("")
        ]
        counts: dict[str, int] = {}
        for words in lists:
            for word in words:
                counts[word] = counts.get(word, 0) + 1
        kept = sorted(word for word, count in counts.items() if count >= least_songs)
        if len(kept) < 2:
            raise InputError(
                f"{source}: fewer than two emotion words have {least_songs} catalogue songs each"
            )
        word_rows, position = np.unique(said["row"].to_numpy(dtype=np.int64), return_inverse=True)
        table = np.zeros((len(word_rows), len(kept)))
        for place, words in zip(position, lists, strict=True):
            for number, word in enumerate(kept):
                if word in words:
                    table[place, number] = 1.0
        rows, values = _join_scales(rows, values, *_mean_by_row(said))
        return cls(rows, values, word_rows, table, tuple(kept))


@dataclass(frozen=True)
class TrackParts:
    """What songs are measured against: ranks of their audio features, and means of their texts and tags."""

    audio: tuple[Ranks, ...]
    sentence: Centre
    title: Centre
    tags: Centre

    @classmethod
    def fit(cls, tracks: Table, texts: Floats, encode: Encode, titles: Floats | None = None) -> TrackParts:
        """Measure a catalogue; arguments as of ``track_parts``."""
        tags = _tag_vectors(tracks, encode, 1)
        return cls(
            tuple(Ranks.fit_normal(read_numbers(tracks, name)) for name in AUDIO_FEATURES),
            Centre.fit(texts),
            Centre.fit(texts[:0] if titles is None else titles),
            Centre.fit(tags),
        )

    def read(
        self, tracks: Table, texts: Floats, encode: Encode, titles: Floats | None = None
    ) -> dict[str, Floats]:
        """The parts of a table of songs, as ``track_parts`` has them; artists' other songs are those of the table."""
        audio = self._score_audio(tracks)
        tags = _tag_vectors(tracks, encode, len(self.tags.mean))
        known = np.any(audio != 0, axis=1) | np.any(tags != 0, axis=1)
        others = _other_songs(tracks)
        artist_audio, counts = _means(audio, others)
        parts = {
            "audio": audio,
            "sentence": self.sentence.apply(texts),
            "artist_tags": _means(self.tags.apply(tags), others)[0],
            "artist_audio": artist_audio * (counts / (counts + _HALF_TRUST_SONGS))[:, None],
            "facts": _facts(tracks),
        }
        if titles is not None:
            parts["title"] = self.title.apply(titles)
        return {name: np.where(known[:, None], part, 0.0).astype(np.float32) for name, part in parts.items()}

    def _score_audio(self, tracks: Table) -> Floats:
        """Each feature as a normal score of its rank (loudness, speechiness and the like are far from normal)."""
        columns = [
            ranks.apply(read_numbers(tracks, name))
            for name, ranks in zip(AUDIO_FEATURES, self.audio, strict=True)
        ]
        return np.nan_to_num(np.stack(columns, axis=1)).astype(np.float32)


def track_parts(
    tracks: Table, texts: Floats, encode: Encode, titles: Floats | None = None
) -> dict[str, Floats]:
    """What is known of every song, for ``rate_tracks``: name → (n, d) float32, zeros where a part is unknown.

    ``tracks`` has the columns of ``TRACK_COLUMNS``; ``texts`` (n, d) and ``titles`` (n, d) are embeddings of
    the songs' sentences and of their titles alone; ``encode`` embeds the distinct tags. ``artist_…`` are means
    over the other songs of the same artists. A song known by its title alone counts as unknown.
    """
    return TrackParts.fit(tracks, texts, encode, titles).read(tracks, texts, encode, titles)


def _tag_vectors(tracks: Table, encode: Encode, width: int) -> Floats:
    """Mean embedding (n, d) of a song's genres and tags; zeros (n, width) where no song has any."""
    cells = [
        dict.fromkeys(tag.casefold() for tag in f"{genres}{SEPARATOR}{tags}".split(SEPARATOR) if tag)
        for genres, tags in zip(read_texts(tracks, "genres"), read_texts(tracks, "tags"), strict=True)
    ]
    names = sorted({tag for tags in cells for tag in tags})
    if not names:
        return np.zeros((len(cells), width), dtype=np.float32)
    vectors = encode(names)
    number = {name: place for place, name in enumerate(names)}
    return _means(vectors, [[number[tag] for tag in tags] for tags in cells])[0]


def _other_songs(tracks: Table) -> list[list[int]]:
    artists = [
        dict.fromkeys(a for a in cell.casefold().split(SEPARATOR) if a)
        for cell in read_texts(tracks, "artists")
    ]
    songs: dict[str, list[int]] = {}
    for row, names in enumerate(artists):
        for name in names:
            songs.setdefault(name, []).append(row)
    return [
        [other for name in names for other in songs[name] if other != row]
        for row, names in enumerate(artists)
    ]


def _facts(tracks: Table) -> Floats:
    """Year, whether it is known, length and mode, each about −1…1 and 0 where unknown."""
    number = {name: read_numbers(tracks, name) for name in ("year", "decade", "duration_ms", "mode")}
    year = np.where(np.isnan(number["year"]), number["decade"] + 5.0, number["year"])
    length = np.log(np.where(number["duration_ms"] > 0, number["duration_ms"], np.nan) / 220_000.0) / 0.4
    facts = np.stack(
        [(year - 1990.0) / 15.0, np.isnan(year) * 1.0, length, 2.0 * number["mode"] - 1.0], axis=1
    )
    return np.nan_to_num(facts).astype(np.float32)


def _means(vectors: Floats, members: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
    """Mean (n, d) of each row's members that say something, zeros where none does, and how many they are."""
    says = np.any(vectors != 0, axis=1)
    means = np.zeros((len(members), vectors.shape[1]), dtype=np.float32)
    counts = np.zeros(len(members), dtype=np.float32)
    for row, places in enumerate(members):
        kept = [place for place in places if says[place]]
        if kept:
            means[row] = vectors[kept].mean(axis=0)
            counts[row] = len(kept)
    return means, counts


def _join_scales(
    rows: npt.NDArray[np.int64],
    mood: npt.NDArray[np.float64],
    other_rows: npt.NDArray[np.int64],
    other_mood: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Add the songs that only the second file rates, by a line fitted on the songs that both rate."""
    _, mine, theirs = np.intersect1d(rows, other_rows, return_indices=True)
    new = ~np.isin(other_rows, rows)
    if len(mine) < _LEAST_SHARED or not new.any():
        return rows, mood
    added = np.empty((int(new.sum()), 2))
    for axis in (0, 1):
        slope, base = np.polyfit(other_mood[theirs, axis], mood[mine, axis], 1)
        added[:, axis] = slope * other_mood[new, axis] + base
    return np.concatenate([rows, other_rows[new]]), np.concatenate([mood, added])


def _mean_by_row(table: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Two ids of one song are one label: their mean."""
    rows, position = np.unique(table["row"].to_numpy(dtype=np.int64), return_inverse=True)
    sums = np.zeros((len(rows), 2))
    np.add.at(sums, position, table[["valence", "arousal"]].to_numpy(dtype=np.float64))
    return rows, sums / np.bincount(position, minlength=len(rows))[:, None]


def _rows_by_id(tracks: pd.DataFrame) -> dict[str, int]:
    row_of: dict[str, int] = {}
    for row, (own, others) in enumerate(zip(tracks["id"], tracks["other_ids"], strict=True)):
        row_of[str(own)] = row
        for other in str(others or "").split(SEPARATOR):
            if other:
                row_of.setdefault(other, row)
    return row_of


def _read(file: Path, columns: tuple[str, ...], row_of: dict[str, int]) -> Any:
    import pandas as pd

    try:
        table = pd.read_csv(file, dtype={"track_id": str})
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{file} cannot be read as a table of emotion labels: {error}") from error
    for name in columns:
        if name not in table.columns:
            raise MissingColumn(f"{file.name} has no column {name!r}; it needs {', '.join(columns)}")
    for axis in ("valence", "arousal"):
        numbers = pd.to_numeric(table[axis], errors="coerce")
        if not np.isfinite(numbers.to_numpy(dtype=np.float64)).all():
            raise InputError(f"{file.name}: column {axis!r} holds something that is not a number")
        table[axis] = numbers
    table["row"] = [row_of.get(str(id), -1) for id in table["track_id"]]
    known = table[table["row"] >= 0].reset_index(drop=True)
    if known.empty:
        raise InputError(f"{file.name}: none of its songs is in the catalogue")
    return known


__all__ = ["LEAST_SONGS", "EmotionLabels", "TrackParts", "track_parts"]
