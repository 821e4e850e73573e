"""Runs the evaluation over one index version: opens its methods, reads the files, says what was left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import index_version as versions
from indexer import methods, metrics
from indexer.catalogue.records import Medium, Track
from indexer.errors import (
    ConfigError,
    InputError,
    UnsupportedQuery,
)
from indexer.evaluate import DIRECTIONS, Gallery, Scorer, evaluate
from indexer.evaluation_inputs import SEGUE, Contents, EvaluationFiles, SegueMethod
from indexer.evaluation_label_files import evaluate_label_files
from indexer.evaluation_pairs import Pairs, leave_out_trained, read_pairs
from indexer.evaluation_report import page
from indexer.evaluation_results import Direction, Evaluation, Settings, Unsupported
from indexer.evaluation_similar import evaluate_similar
from indexer.evaluation_table import format_table
from indexer.index_version import IndexVersion
from indexer.methods.lyrics_cover import LyricsCover
from indexer.methods.spotiflix_clusters import SpotiflixClusters
from indexer.title_lookup import make_key

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


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
    contents = Contents(version)
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
    labels = evaluate_label_files(contents, scorers, files, settings, remarks)
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


def _read_known_pairs(contents: Contents, path: Path, keep_trained: bool) -> tuple[Pairs, list[str], int]:
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
