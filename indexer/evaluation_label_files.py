"""Evaluates methods on files of what people said: tags of films, emotion words and emotions of songs."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium, Movie, Track
from indexer.errors import (
    InputError,
    MissingColumn,
    UnreadableFile,
)
from indexer.evaluate import Scorer
from indexer.evaluation_inputs import SEGUE, Contents, EvaluationFiles, SegueMethod
from indexer.evaluation_labels import evaluate_emotion_words, evaluate_mood, evaluate_tags
from indexer.evaluation_results import LabelFigure, Settings
from indexer.methods.text_cosine import TextCosine
from indexer.title_lookup import make_key

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
ScoreTexts = Callable[[Sequence[str]], Floats]


def evaluate_label_files(
    contents: Contents,
    scorers: Mapping[str, SegueMethod | Scorer],
    files: EvaluationFiles,
    settings: Settings,
    remarks: list[str],
) -> list[LabelFigure]:
    """Figures against the label files that are given; adds to ``remarks``."""
    figures: list[LabelFigure] = []
    asked: dict[str, Callable[[Medium], ScoreTexts]] = {}
    segue = scorers.get(SEGUE)
    if isinstance(segue, SegueMethod):
        asked[SEGUE] = lambda target: lambda texts: segue.score_texts(texts, target)
    plain = scorers.get(TextCosine.name)
    if isinstance(plain, TextCosine):
        encode = contents.version.encoder.encode
        asked[plain.name] = lambda target: lambda texts: plain.compare(encode(list(texts)), target)
    if files.movie_tags is not None:
        rows, tags, said = _read_tags(files.movie_tags, contents.rows["movies"])
        remarks += [said, *contents.warn_of(files.movie_tags)]
        for name, score in asked.items():
            figures += evaluate_tags(name, score("movies"), tags, rows, settings)
    if files.emotion_words is not None:
        songs, words, said = _read_words(files.emotion_words, contents.rows["tracks"])
        remarks += [said, *contents.warn_of(files.emotion_words)]
        for name, score in asked.items():
            figures.append(evaluate_emotion_words(name, score("tracks"), songs, words, settings))
    if files.song_emotions is not None and SEGUE in scorers:
        figures += _evaluate_song_emotions(contents, files.song_emotions, settings, remarks)
    return figures


def _read_tags(path: Path, rows: Mapping[str, int]) -> tuple[Rows, list[str], str]:
    """Film rows and their tags in lower case, each pair once."""
    lines = list(_read(path, "tmdb_id", "tag"))
    known = [
        (rows[line["tmdb_id"]], line["tag"].casefold())
        for line in lines
        if line["tmdb_id"] in rows and line["tag"]
    ]
    pairs = sorted(set(known))
    said = f"{path.name}: {len(pairs):,} (film, tag) pairs of {len(lines):,} lines; the rest unmatched or repeated"
    if not pairs:
        raise InputError(f"{path.name}: none of its tagged films is in this version")
    return np.array([row for row, _ in pairs], dtype=np.int64), [tag for _, tag in pairs], said


def _read_words(path: Path, rows: Mapping[str, int]) -> tuple[Rows, list[Set[str]], str]:
    """Song rows and their emotion words in lower case; two ids of one song are one song."""
    lines = list(_read(path, "track_id", "emotion_tags"))
    said: dict[int, set[str]] = {}
    for line in lines:
        if line["track_id"] in rows:
            words = {word.strip().casefold() for word in line["emotion_tags"].split("|") if word.strip()}
            said.setdefault(rows[line["track_id"]], set()).update(words)
    if not said:
        raise InputError(f"{path.name}: none of its songs is in this version")
    remark = f"{path.name}: {len(said):,} songs of {len(lines):,} lines; the rest unmatched or repeated"
    return np.array(sorted(said), dtype=np.int64), [said[row] for row in sorted(said)], remark


def _evaluate_song_emotions(
    contents: Contents, path: Path, settings: Settings, remarks: list[str]
) -> list[LabelFigure]:
    """R² of the version's valence and arousal; lines whose ``split`` is "train" are left out."""
    lines = list(_read(path, "track_id", "valence", "arousal"))
    tested = [line for line in lines if line.get("split", "").casefold() != "train"]
    values: dict[int, list[tuple[float, float]]] = {}
    for line in tested:
        try:
            rating = float(line["valence"]), float(line["arousal"])
        except ValueError as error:
            raise InputError(f"{path.name}: a valence or arousal that is not a number: {error}") from error
        row = contents.rows["tracks"].get(line["track_id"])
        if row is not None:
            values.setdefault(row, []).append(rating)
    # The labels are at mean 0 and deviation 1, profiles on a scale of 0 to 1.
    moods = np.asarray(contents.version.moods["tracks"], dtype=np.float64)
    predicted = (moods - np.nanmean(moods, axis=0)) / np.maximum(np.nanstd(moods, axis=0), 1e-9)
    songs = np.array(sorted(values), dtype=np.int64)
    known = songs[np.isfinite(predicted[songs]).all(axis=1)]
    remarks.append(
        f"{path.name}: {len(known):,} songs; of {len(lines):,} lines {len(lines) - len(tested):,} are for training, "
        f"the rest unmatched or repeated; {len(songs) - len(known):,} songs have no prediction"
    )
    remarks += contents.warn_of(path)
    if len(known) < 2:
        raise InputError(f"{path.name}: fewer than two of its songs are in this version with a prediction")
    actual = np.array([np.mean(values[row], axis=0) for row in known.tolist()])
    artists = [_artist(contents.items["tracks"][row], row) for row in known.tolist()]
    clusters = np.unique(np.array(artists, dtype=str), return_inverse=True)[1]
    return [
        evaluate_mood(SEGUE, label, actual[:, axis], predicted[known, axis], clusters, settings)
        for axis, label in enumerate(("valence", "arousal"))
    ]


def _artist(item: Movie | Track, row: int) -> str:
    return make_key(item.artists[0]) if isinstance(item, Track) and item.artists else f"row {row}"


def _read(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    """The lines of a CSV file, cells stripped; raises ``UnreadableFile`` or ``MissingColumn``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            for name in columns:
                if name not in (reader.fieldnames or ()):
                    raise MissingColumn(f"{path.name} has no column {name}; it needs {', '.join(columns)}")
            for line in reader:
                yield {name: str(cell or "").strip() for name, cell in line.items() if name}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{path.name} cannot be read as a CSV file: {error}") from error
