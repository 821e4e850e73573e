"""What VADER's positivity of texts is worth: of lyrics for a song's valence, of overviews for a film's mood."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer import index_folder
from indexer import index_version as versions
from indexer.benchmarks import findings
from indexer.benchmarks.findings import Findings, Table
from indexer.benchmarks.surroundings import describe
from indexer.catalogue.catalogue import Catalogue, read_catalogue
from indexer.catalogue.records import split_cell
from indexer.encoding import EncodedTexts
from indexer.features.emotion import rate_tracks
from indexer.features.emotion_labels import EmotionLabels, track_parts
from indexer.features.film_tags import read_film_tags
from indexer.features.long_text import rate_positivity
from indexer.features.mood import Evidence, estimate_movie_mood, load_lexicon
from indexer.features.text import describe_tracks
from indexer.features.text_encoder import TextEncoder
from indexer.metrics import ClusterBootstrap, Interval
from indexer.title_lookup import make_key

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_FOLDS, _DRAWS = 5, 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    findings.add_arguments(parser)
    parser.add_argument(
        "--indexes", type=Path, required=True, help="a folder whose served version holds the texts"
    )
    for name in ("movies", "tracks", "soundtracks", "song-positivity", "song-emotions", "emotion-words"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--movie-tags", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="seed of folds and draws (0)")


def run(options: argparse.Namespace) -> None:
    """Measure both questions and print a table each."""
    catalogue = read_catalogue(options.movies, options.tracks, options.soundtracks)
    findings.tell("films")
    films, film_data = _compare_films(catalogue, options)
    findings.tell("songs")
    songs, song_data = _compare_songs(catalogue, options)
    notes = [
        "Differences are to the first line, on the same items; the gain of the line after audio valence is over audio "
        "valence alone. Intervals are 95 %, drawn by film or by artist.",
        "Songs are predicted by folds that share no artist with them; films' moods have no parameters of these data. "
        "People's tags are rated by the word list that also reads keywords, which favours what leans on keywords.",
    ]
    found = Findings(
        "texts",
        describe(options.seed, ("vaderSentiment", "textblob")),
        [films, songs],
        {"films": film_data, "songs": song_data},
        notes,
    )
    findings.deliver(found, options)


# --- films ---------------------------------------------------------------------------------------------------


def _compare_films(catalogue: Catalogue, options: argparse.Namespace) -> tuple[Table, dict[str, Any]]:
    """Films' valence with TextBlob, VADER, both or neither, against people's tags and the films' known songs."""
    movies, tagged, film_rows = _pick_films(catalogue, options)
    overviews = [cell if isinstance(cell, str) else "" for cell in movies["overview"]]
    # VADER's positivity is 0 … 1; the mood takes a polarity that is mostly within ±0.4.
    vader = 0.4 * (2.0 * rate_positivity(overviews) - 1.0)
    textblob = _textblob(overviews)
    nothing = np.full(len(movies), np.nan)
    both = np.where(np.isnan(vader), textblob, np.where(np.isnan(textblob), vader, (vader + textblob) / 2))
    polarities = {"TextBlob (as built)": textblob, "VADER": vader, "mean of both": both, "neither": nothing}
    rated: dict[str, Floats] = {}
    for name, polarity in polarities.items():
        mood = estimate_movie_mood(movies, lambda _, given=polarity: given)  # type: ignore[misc]
        rated[name] = mood[:, 0].astype(np.float64)
    rated |= {"TextBlob's polarity alone": textblob, "VADER's positivity alone": vader}
    lexicon = load_lexicon("film")
    tags = np.full(len(movies), np.nan)
    said: dict[int, list[Evidence]] = {}
    for row, tag in tagged:
        said.setdefault(row, []).append(lexicon.read(tag))
    for row, found in said.items():
        count = sum(each.valence_count for each in found)
        if count:
            tags[row] = sum(each.valence for each in found) / count
    tracks = _places(catalogue.tracks["id"])
    song_rows = np.array([tracks[str(id)] for id in catalogue.soundtracks["track_id"]], dtype=np.int64)
    heard = catalogue.tracks["valence"].to_numpy(dtype=np.float64, na_value=np.nan)[song_rows]
    every = np.arange(len(movies))
    lines: list[list[str]] = []
    data: dict[str, Any] = {}
    yardsticks = {"people's tags": (every, tags), "songs of the film": (film_rows, heard)}
    for name in rated:
        cells = [name]
        for yardstick, (rows, wanted) in yardsticks.items():
            # The same items for all: those that every variant with a polarity rates.
            usable = np.isfinite(wanted)
            for each in rated.values():
                usable &= np.isfinite(each[rows])
            first = rated["TextBlob (as built)"][rows][usable]
            figure, off = _correlate(
                rated[name][rows][usable], first, wanted[usable], rows[usable], options.seed
            )
            cells += [_shown(figure), _shown(off), f"{int(usable.sum()):,}"]
            data[f"{name}; {yardstick}"] = {
                "rho": vars(figure),
                "difference": vars(off),
                "n": int(usable.sum()),
            }
        lines.append(cells)
    columns = [
        "film's valence by",
        "ρ with tags",
        "difference",
        "films",
        "ρ with songs",
        "difference",
        "pairs",
    ]
    return Table("A film's mood: rank correlation of its valence", columns, lines), data


def _pick_films(
    catalogue: Catalogue, options: argparse.Namespace
) -> tuple[pd.DataFrame, list[tuple[int, str]], Rows]:
    """The films that people tagged or whose songs are known; their (row, tag); and the film rows of the pairs."""
    tagged = read_film_tags(options.movie_tags, catalogue.movies)
    films = _places(catalogue.movies["id"])
    paired = [films[str(id)] for id in catalogue.soundtracks["tmdb_id"]]
    rows = np.unique([*paired, *(row for row, _ in tagged)]).astype(np.int64)
    place = {row: at for at, row in enumerate(rows.tolist())}
    movies = catalogue.movies.iloc[rows].reset_index(drop=True)
    return (
        movies,
        [(place[row], tag) for row, tag in tagged],
        np.array([place[row] for row in paired], dtype=np.int64),
    )


def _textblob(texts: Sequence[str]) -> Floats:
    from textblob import TextBlob

    found = [TextBlob(text).sentiment for text in texts]
    return np.array([each.polarity if each.polarity or each.subjectivity else np.nan for each in found])


def _places(ids: Any) -> dict[str, int]:
    return {str(id): row for row, id in enumerate(ids)}


def _correlate(
    values: Floats, others: Floats, wanted: Floats, clusters: Rows, seed: int
) -> tuple[Interval, Interval]:
    """Spearman's ρ of ``values`` with ``wanted``, and how much it is above that of ``others``."""
    ranks = [_rank(each) for each in (values, others, wanted)]
    bootstrap = ClusterBootstrap(clusters, _DRAWS, seed)
    once = np.ones(len(values))

    def difference(times: Floats) -> float:
        return _pearson(ranks[0], ranks[2], times) - _pearson(ranks[1], ranks[2], times)

    return (
        bootstrap.statistic(
            _pearson(ranks[0], ranks[2], once), lambda times: _pearson(ranks[0], ranks[2], times)
        ),
        bootstrap.statistic(difference(once), difference),
    )


def _rank(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2.0)[place]
    return ranks


def _pearson(a: Floats, b: Floats, times: Floats) -> float:
    a, b = a - np.average(a, weights=times), b - np.average(b, weights=times)
    spread = np.sqrt(np.sum(times * a * a) * np.sum(times * b * b))
    return float(np.sum(times * a * b) / spread) if spread > 0 else 0.0


# --- songs ---------------------------------------------------------------------------------------------------


def _compare_songs(catalogue: Catalogue, options: argparse.Namespace) -> tuple[Table, dict[str, Any]]:
    """Whether a song's valence is told better with the positivity of its lyrics beside what is known already."""
    tracks = catalogue.tracks
    folder = options.indexes / index_folder.current_name(options.indexes)
    encoder = TextEncoder.open(folder / versions.ENCODER)
    texts = EncodedTexts(encoder, folder / versions.ENCODER, folder, lambda *_: None)
    labels = EmotionLabels.read(options.song_emotions, options.emotion_words, tracks)
    sentences = texts.encode(describe_tracks(tracks), "songs")
    parts = track_parts(tracks, sentences, lambda some: texts.encode(some, "labels"))
    rows = np.union1d(labels.rows, labels.word_rows)
    some = {name: part[rows] for name, part in parts.items()}
    own = EmotionLabels(
        np.searchsorted(rows, labels.rows),
        labels.mood,
        np.searchsorted(rows, labels.word_rows),
        labels.words_said,
        labels.words,
    )
    artists = [make_key((split_cell(tracks["artists"].iat[row]) or [str(row)])[0]) for row in rows.tolist()]
    groups = np.unique(artists, return_inverse=True)[1].astype(np.int64)
    fold = np.random.default_rng(options.seed).permutation(int(groups.max()) + 1)[groups] % _FOLDS
    built = np.full(len(rows), np.nan)
    for number in range(_FOLDS):
        kept, said = fold[own.rows] != number, fold[own.word_rows] != number
        learned = EmotionLabels(
            own.rows[kept], own.mood[kept], own.word_rows[said], own.words_said[said], own.words
        )
        aside = fold == number
        built[aside] = rate_tracks(some, learned).valence[aside]
    positivity = _read_positivity(options.song_positivity, tracks)[rows]
    valence = np.full(len(rows), np.nan)
    valence[own.rows] = own.mood[:, 0]
    heard = tracks["valence"].to_numpy(dtype=np.float64, na_value=np.nan)[rows]
    usable = np.isfinite(valence) & np.isfinite(positivity) & np.isfinite(heard) & np.isfinite(built)
    wanted, clusters = valence[usable], groups[usable]
    bases: Mapping[str, list[Floats]] = {
        "emotion model (as built)": [built],
        "… and positivity of lyrics": [built, positivity],
        "audio valence alone": [heard],
        "… and positivity of lyrics ": [heard, positivity],
        "positivity of lyrics alone": [positivity],
        "nothing (the mean)": [],
    }
    errors = {
        name: _errors([each[usable] for each in given], wanted, fold[usable]) for name, given in bases.items()
    }
    bootstrap = ClusterBootstrap(clusters, _DRAWS, options.seed)
    spread = float(np.mean(errors["nothing (the mean)"]))
    lines: list[list[str]] = []
    data: dict[str, Any] = {}
    for name, each in errors.items():
        before = errors["audio valence alone" if name.endswith(" ") else "emotion model (as built)"]
        r2 = bootstrap.mean(1.0 - each / spread)
        gain = bootstrap.mean((before - each) / spread)
        lines.append([name.strip(), _shown(r2), _shown(gain), f"{int(usable.sum()):,}"])
        data[name] = {"r2": vars(r2), "gain": vars(gain), "n": int(usable.sum())}
    columns = ["a song's valence by", "R²", "gain", "songs"]
    return Table("A song's mood: R² on people's labels, by folds that share no artist", columns, lines), data


def _errors(given: Sequence[Floats], wanted: Floats, fold: Rows) -> Floats:
    """Squared errors of a line through ``given``, each (n,), fitted on the other folds."""
    table = np.column_stack([np.ones(len(wanted)), *given])
    errors = np.empty(len(wanted))
    for number in range(_FOLDS):
        aside = fold == number
        line = np.linalg.lstsq(table[~aside], wanted[~aside], rcond=None)[0]
        errors[aside] = (table[aside] @ line - wanted[aside]) ** 2
    return errors


def _read_positivity(path: Path, tracks: Any) -> Floats:
    """Positivity (n,) of the catalogue's songs by id, else by title and an artist; NaN unknown."""
    by_id: dict[str, float] = {}
    by_name: dict[tuple[str, str], float] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            by_id[line["spotify_id"]] = by_name[make_key(line["artist"]), make_key(line["song_name"])] = (
                float(line["pos_percent"])
            )
    found = np.full(len(tracks), np.nan)
    for row, (id, others, title, cell) in enumerate(
        zip(tracks["id"], tracks["other_ids"], tracks["title"], tracks["artists"], strict=True)
    ):
        ids = [by_id[each] for each in (str(id), *split_cell(others)) if each in by_id]
        names = [
            by_name[key]
            for artist in split_cell(cell)
            if (key := (make_key(artist), make_key(str(title)))) in by_name
        ]
        found[row] = next(iter([*ids, *names]), np.nan)
    return found


def _shown(figure: Interval) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
