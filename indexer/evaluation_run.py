"""Runs the evaluation over one index version: opens its methods, reads the files, says what was left out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import index_version as versions
from indexer import methods, metrics, relevance
from indexer.catalogue.records import Medium, Movie, Track
from indexer.errors import (
    ConfigError,
    InputError,
    MissingColumn,
    UnreadableFile,
    UnsupportedQuery,
    VersionDamaged,
)
from indexer.evaluate import DIRECTIONS, Gallery, Scorer, evaluate
from indexer.evaluation_labels import evaluate_emotion_words, evaluate_mood, evaluate_tags
from indexer.evaluation_pairs import Pairs, leave_out_trained, read_pairs
from indexer.evaluation_report import page
from indexer.evaluation_results import Direction, Evaluation, LabelFigure, Settings, Unsupported
from indexer.evaluation_similar import evaluate_similar
from indexer.evaluation_table import format_table
from indexer.index_version import IndexVersion
from indexer.methods.arrays import read_array
from indexer.methods.lyrics_cover import LyricsCover
from indexer.methods.spotiflix_clusters import SpotiflixClusters
from indexer.methods.text_cosine import TextCosine
from indexer.title_lookup import make_key

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
ScoreTexts = Callable[[Sequence[str]], Floats]

SEGUE = "segue"


@dataclass(frozen=True)
class EvaluationFiles:
    """What to evaluate on: known pairs, and people's labels where there are any."""

    pairs: Path
    movie_tags: Path | None = None
    emotion_words: Path | None = None
    song_emotions: Path | None = None


@dataclass(frozen=True)
class Run:
    """An evaluation and what a reader of it must know. ``missing``: methods the version lacks, and why."""

    version: str
    evaluation: Evaluation
    remarks: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    trained_pairs_kept: int = 0

    def to_dict(self) -> dict[str, Any]:
        """``Evaluation.to_dict()`` with ``version``, ``remarks``, ``missing`` and ``trained_pairs_kept``."""
        return {
            **self.evaluation.to_dict(),
            "version": self.version,
            "remarks": list(self.remarks),
            "missing": dict(self.missing),
            "trained_pairs_kept": self.trained_pairs_kept,
        }

    def to_text(self) -> str:
        """The remarks, one a line, and the tables."""
        return "\n".join([*self.remarks, "", format_table(self.evaluation)])

    def to_html(self) -> str:
        """The report page with the remarks at its head."""
        said = "".join(f"<li>{escape(remark)}</li>\n" for remark in self.remarks)
        told = self.to_dict()
        told["facts"] = {name: _flatten(facts) for name, facts in told["facts"].items()}
        head, body, rest = page(told).partition("</h1>\n")
        about = f"<p>Index version {escape(self.version)}.</p>\n<ul>\n{said}</ul>\n"
        return head + body + about + rest

    def write(self, json_file: Path | None = None, html_file: Path | None = None) -> None:
        """Write either file, whole or not at all."""
        if json_file is not None:
            text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
            _write_whole(json_file, text + "\n")
        if html_file is not None:
            _write_whole(html_file, self.to_html())


class SegueMethod:
    """Segue's own search as a scorer: inner products in the version's space, and the names that items share.

    All vectors of both media are held in memory: float32, some 200 MB for 100,000 items.
    """

    name = SEGUE
    about = "This version's own search: the shared space."

    def __init__(self, version: IndexVersion) -> None:
        self._version = version
        self._items: dict[Medium, Floats] = {
            medium: index.vectors(range(index.size)) for medium, index in version.indexes.items()
        }
        self._scorer = relevance.Scorer(version.space, self._items, version.names)

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Raw scores, (rows, items) float32, each input taken singly."""
        return self._scorer.scores(source, rows, target)

    def score_texts(self, texts: Sequence[str], target: Medium) -> Floats:
        """Raw scores of free texts, (texts, items) float32."""
        space, encoder = self._version.space, self._version.encoder
        asked = np.stack([space.text_query(row, target) for row in encoder.encode(list(texts))])
        scores: Floats = asked @ self._items[target].T
        return scores

    def probability(self, target: Medium) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
        """Raw scores to match scores in [0, 1] among the items of ``target``."""
        return self._version.space.curve_for(target).apply


def run_evaluation(
    version: IndexVersion,
    files: EvaluationFiles,
    wanted: Sequence[str] = (SEGUE,),
    settings: Settings | None = None,
    keep_trained: bool = False,
) -> Run:
    """Evaluate methods of an opened version: names, "segue", or "all", which leaves out what the version lacks.

    Raises ``ConfigError`` for a method that is unknown or named and not in the version, and the errors of the files.
    """
    settings = settings or Settings()
    scorers, missing = _open_methods(version, wanted)
    contents = _Contents(version)
    pairs, remarks, kept = _read_known_pairs(contents, files.pairs, keep_trained)
    remarks += [f"{name}: not in this version: {why}" for name, why in missing.items()]
    galleries = contents.galleries
    segue = scorers.get(SEGUE)
    directions: list[Direction | Unsupported] = []
    parts: list[Evaluation] = []
    # One direction at a time, for a match score has its own curve in each.
    for way in DIRECTIONS:
        calibrate = {SEGUE: segue.probability(way[1])} if isinstance(segue, SegueMethod) else None
        one_way = {name: _OneWay(scorer, way) for name, scorer in scorers.items()}
        parts.append(evaluate(one_way, pairs, galleries, settings, calibrate))
        directions += [d for d in parts[-1].directions if (d.source, d.target) == way]
    for scorer in scorers.values():
        # Also what hears its songs and then goes by the same clusters.
        if isinstance(scorer, SpotiflixClusters):
            other, remark = _evaluate_other_films(scorer, pairs, galleries, settings)
            directions += other
            remarks.append(remark)
    labels = _evaluate_labels(contents, scorers, files, settings, remarks)
    alike = scorers.get(LyricsCover.name)
    if isinstance(alike, LyricsCover):
        songs = [item for item in contents.items["tracks"] if isinstance(item, Track)]
        figures, said = evaluate_similar(scorers, songs, alike.known, settings)
        labels += figures
        remarks += said
    comparisons = [each for part in parts for each in part.comparisons]
    # One family of tests for the whole run: each part knew of its own direction alone.
    corrected = metrics.holm([each.p for each in comparisons])
    evaluation = replace(
        parts[0],
        directions=tuple(directions),
        comparisons=tuple(replace(c, p_holm=p) for c, p in zip(comparisons, corrected, strict=True)),
        labels=tuple(labels),
        facts={name: dict(getattr(scorer, "facts", {})) for name, scorer in scorers.items()},
    )
    return Run(version.name, evaluation, tuple(remarks), missing, kept)


class _OneWay:
    """A scorer with all directions but one taken away."""

    def __init__(self, scorer: Scorer, way: tuple[Medium, Medium]) -> None:
        self._scorer, self._way = scorer, way

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        if (source, target) != self._way:
            raise UnsupportedQuery("the other direction's turn")
        return self._scorer.scores(source, rows, target)


def _open_methods(
    version: IndexVersion, wanted: Sequence[str]
) -> tuple[dict[str, SegueMethod | Scorer], dict[str, str]]:
    """The scorers by name, segue first, and why those of "all" that are not there are not."""
    held = version.manifest.get("methods") or {}
    chosen = methods.choose([name for name in wanted if name != SEGUE])
    scorers: dict[str, SegueMethod | Scorer] = {}
    missing: dict[str, str] = {}
    if SEGUE in wanted or "all" in wanted:
        scorers[SEGUE] = SegueMethod(version)
    for name in chosen:
        why = held.get(name, {"missing": "it was built without this method"}).get("missing")
        if why is None:
            scorers[name] = methods.open_method(version.folder / versions.METHODS, name)
        elif name in wanted:
            raise ConfigError(f"{name} is not in the version {version.name}: {why}")
        else:
            missing[name] = str(why)
    if not scorers:
        raise ConfigError(f"no method to evaluate; known are {SEGUE}, {', '.join(methods.names())}, or all")
    return scorers, missing


class _Contents:
    """The items of a version, read once."""

    def __init__(self, version: IndexVersion) -> None:
        self.version = version

    @cached_property
    def items(self) -> dict[Medium, Sequence[Movie | Track]]:
        store = self.version.store
        return {
            "movies": store.movies(range(store.count("movies"))),
            "tracks": store.tracks(range(store.count("tracks"))),
        }

    @cached_property
    def rows(self) -> dict[Medium, dict[str, int]]:
        """Row by id, and by the other ids of the same song."""
        found: dict[Medium, dict[str, int]] = {}
        for medium, items in self.items.items():
            found[medium] = {item.id: row for row, item in enumerate(items)}
            for row, item in enumerate(items):
                for other in item.other_ids if isinstance(item, Track) else ():
                    found[medium].setdefault(other, row)
        return found

    @cached_property
    def galleries(self) -> dict[Medium, Gallery]:
        """Votes or popularity; diversity by what is written about the items, the text block of their vectors."""
        block = self.version.space.block("text")
        found: dict[Medium, Gallery] = {}
        for medium, items in self.items.items():
            fame = [item.votes if isinstance(item, Movie) else item.popularity for item in items]
            index = self.version.indexes[medium]
            texts = index.vectors(range(index.size))[:, block.start : block.stop].copy()
            found[medium] = Gallery(np.array(fame, dtype=np.float64), texts)
        return found

    @cached_property
    def sources(self) -> Set[str]:
        """SHA-256 of the files that the version was built from."""
        return {source["sha256"] for source in self.version.manifest.get("sources", [])}

    def warn_of(self, path: Path) -> list[str]:
        """A remark where the version was built from this very file."""
        if versions.hash_file(path) not in self.sources:
            return []
        return [f"WARNING: {path.name} is one of the files that this version was built from"]


def _read_known_pairs(contents: _Contents, path: Path, keep_trained: bool) -> tuple[Pairs, list[str], int]:
    """The pairs to evaluate on, what to say of them, and how many trained ones were kept."""
    pairs = read_pairs(path, contents.rows["movies"], contents.rows["tracks"])
    count, n = len(pairs.movie_rows), pairs.counts
    remarks = [
        f"{path.name}: {n['lines']:,} lines; {n['unmatched_lines']:,} unmatched ({n['unmatched_movie_ids']:,} film "
        f"and {n['unmatched_track_ids']:,} song ids not in this version), {n['repeated_lines']:,} repeated; "
        f"{count:,} pairs",
        *contents.warn_of(path),
    ]
    training = contents.version.manifest.get("training")
    if not training:
        return pairs, [*remarks, "this version names no pairs that it was trained on: none is left out"], 0
    movies, tracks = contents.items["movies"], contents.items["tracks"]
    artists: list[Set[str]] = [frozenset()] * len(tracks)
    for row in np.unique(pairs.track_rows).tolist():
        track = tracks[row]
        names = track.artists if isinstance(track, Track) else ()
        # The manifest's names are folded; both ways of folding are met, so that none slips through.
        artists[row] = {*names, *(make_key(name) for name in names)}
    trained = set(training.get("movies", ())), set(training.get("artists", ()))
    try:
        rest = leave_out_trained(pairs, [movie.id for movie in movies], artists, *trained)
    except InputError as error:
        if keep_trained:
            return pairs, [*remarks, _keeping(count, count)], count
        raise InputError(f"{error}; --keep-trained evaluates on them all the same") from error
    left = count - len(rest.movie_rows)
    if keep_trained:
        return pairs, [*remarks, _keeping(left, count)] if left else remarks, left
    remarks.append(
        f"{left:,} of these pairs left out because this version was trained on their film "
        f"({rest.counts['trained_movie_pairs']:,}) or an artist of theirs ({rest.counts['trained_artist_pairs']:,})"
    )
    return rest, remarks, 0


def _keeping(trained: int, count: int) -> str:
    return (
        f"WARNING: {trained:,} of the {count:,} pairs are of films or artists that this version was trained on, and "
        "were kept as asked: the figures of methods that learn from pairs are flattered and prove nothing"
    )


def _evaluate_other_films(
    clusters: SpotiflixClusters, pairs: Pairs, galleries: Mapping[Medium, Gallery], settings: Settings
) -> tuple[list[Direction | Unsupported], str]:
    """The method on pairs whose film its soundtrack file does not name, for it has heard the songs of the others."""
    other = ~np.isin(pairs.movie_rows, clusters.known_films)
    count, name = int(other.sum()), f"{clusters.name}, other films"
    said = (
        f"{clusters.name}: its soundtrack file names {len(clusters.known_films):,} of the films and may hold the very "
        f"songs of {len(other) - count:,} of the {len(other):,} pairs"
    )
    if not count:
        return [], f"{said}; no pair is of another film"
    rest = Pairs(pairs.movie_rows[other], pairs.track_rows[other])
    found = evaluate({name: clusters}, rest, galleries, replace(settings, reference=name))
    return list(
        found.directions
    ), f'{said}; "{name}" stands for the {count:,} pairs of films that it does not name'


# --- labels --------------------------------------------------------------------------------------------------


def _evaluate_labels(
    contents: _Contents,
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
    contents: _Contents, path: Path, settings: Settings, remarks: list[str]
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
    file = contents.version.folder / versions.EMOTIONS
    if not file.is_file():
        remarks.append(f"{path.name}: not used, for this version was built without emotion labels")
        return []
    predicted = read_array(file, np.float32, 2)
    if predicted.shape != (len(contents.items["tracks"]), 2):
        raise VersionDamaged(f"{versions.EMOTIONS} is of shape {predicted.shape}: not one row for each song")
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


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _flatten(facts: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Facts within facts as "outer, inner", for a page that shows one a line."""
    flat: dict[str, Any] = {}
    for name, fact in facts.items():
        if isinstance(fact, Mapping):
            flat |= _flatten(fact, f"{before}{name}, ")
        else:
            flat[before + name] = ", ".join(map(str, fact)) if isinstance(fact, list) else fact
    return flat
