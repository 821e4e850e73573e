"""How many lines of playlists are found in the catalogue, how many are taken for another song, and how fast."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.benchmarks import findings
from indexer.benchmarks.findings import Findings, Table, percentiles
from indexer.benchmarks.playlist_lines import (
    Line,
    Part,
    Song,
    is_same,
    make_crossed,
    make_lines,
    part_of,
    read_songs,
)
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.catalogue.records import Medium, Track
from indexer.catalogue_store import CatalogueStore, NamedRow
from indexer.errors import UnreadableFile
from indexer.index_version import open_version
from indexer.playlists.lines import read_line
from indexer.playlists.resolving import LEAST_CONFIDENCE, Candidate, find_candidates

LIBRARIES = ("rapidfuzz", "numpy")
_STEPS = (0.0, 0.8, 0.85, 0.9, 0.95, 0.99)
_SHOWN = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--indexes", type=Path, required=True, help="a folder with a published version")
    parser.add_argument(
        "--tracks", type=Path, required=True, help="the songs it was built from, Spotify's layout"
    )
    parser.add_argument("--lines", type=int, default=500, help="lines of songs that are there (500)")
    parser.add_argument("--hidden", type=int, default=200, help="lines of songs that are not there (200)")
    parser.add_argument(
        "--part", choices=("tuning", "measured"), default="measured", help="whose artists' songs"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print the lines that went wrong")
    parser.add_argument("--check", action="store_true", help="exit 1 below 95 %% right or above 1 %% wrong")
    findings.add_arguments(parser)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line, what it was taken for (None: nothing) and whether that is right, and the nearest song.

    ``took_ms`` passed meanwhile; for ``cpu_ms`` of them the thread was at work.
    """

    line: Line
    taken: Candidate | None
    is_right: bool
    took_ms: float
    cpu_ms: float
    nearest: Candidate | None


class Without:
    """A catalogue in which one song, under whatever ids, is not there."""

    def __init__(self, store: CatalogueStore, song: Song) -> None:
        self._store = store
        self._song = song

    def row(self, medium: Medium, id: str) -> int:
        """The row of an id; raises ``UnknownItem``."""
        return self._store.row(medium, id)

    def tracks(self, rows: Sequence[int]) -> list[Track]:
        """The songs of these rows."""
        return self._store.tracks(rows)

    def recall(self, medium: Medium, text: str, limit: int) -> list[NamedRow]:
        """Rows whose names share most with the text, but for the song's own."""
        rows = self._store.recall(medium, text, limit)
        tracks = self._store.tracks([row.row for row in rows])
        return [r for r, t in zip(rows, tracks, strict=True) if not is_same(t.title, t.artists, self._song)]


def run(options: argparse.Namespace) -> int:
    """Measure and deliver; 1 where ``--check`` is not passed."""
    if not options.tracks.is_file():
        raise UnreadableFile(f"{options.tracks} is not a file")
    part: Part = options.part
    songs = [song for song in read_songs(options.tracks) if part_of(song) == part]
    version = open_version(options.indexes)
    try:
        found = measure(version.store, songs, options.lines, options.hidden, options.seed)
    finally:
        version.close()
    rates = {name: summarise(outcomes) for name, outcomes in found.items()}
    there = found["there"]
    report = Findings(
        "playlists",
        describe_surroundings(options.seed, LIBRARIES) | {"version": version.name, "part": part},
        [table_of_rates(rates), table_of_noise(there), table_of_confidence(found)],
        {"rates": rates, "time": percentiles([one.took_ms for one in there])},
        [
            "Right: the song itself, or one with the same title (but for credits and editions) and an artist in "
            "common under another id.",
            "Crossed: the title of one song, the artist of another. Taken out: the song's own rows are left out of the "
            "catalogue; any answer, another recording of it included, counts as wrong.",
            f"A song is taken from a confidence of {LEAST_CONFIDENCE} on. "
            "The rules were tuned on lines of other artists.",
            f"All {len(there)} lines took {sum(one.took_ms for one in there) / 1000:.2f} s on one thread, "
            f"{sum(one.cpu_ms for one in there) / 1000:.2f} s of them at work.",
        ],
    )
    findings.deliver(report, options)
    if options.show:
        _show([one for outcomes in found.values() for one in outcomes if not one.is_right])
    failed = (
        rates["there"]["right"] < 0.95
        or rates["there"]["wrong"] > 0.01
        or max(rates[name]["wrong"] for name in ("crossed", "taken out")) > 0.01
    )
    return int(options.check and failed)


def measure(
    store: CatalogueStore, songs: Sequence[Song], lines: int, hidden: int, seed: int
) -> dict[str, list[Outcome]]:
    """The outcomes of lines whose songs are there, and of two kinds whose songs are not."""
    crossed, taken_out = hidden // 2, hidden - hidden // 2
    return {
        "there": [_try(store, line) for line in make_lines(songs, lines, seed)],
        "crossed": [_try(store, line) for line in make_crossed(songs, crossed, seed + 1)],
        "taken out": [
            _try(Without(store, line.song), Line(line.text, None, line.noise))
            for line in make_lines(songs, taken_out, seed + 2)
            if line.song is not None
        ],
    }


def _try(store: CatalogueStore | Without, line: Line) -> Outcome:
    started, busy = time.perf_counter(), time.thread_time()
    candidates = find_candidates(store, read_line(1, line.text))
    took_ms, cpu_ms = 1000 * (time.perf_counter() - started), 1000 * (time.thread_time() - busy)
    best = candidates[0] if candidates else None
    taken = best if best is not None and best.confidence >= LEAST_CONFIDENCE else None
    if line.song is None:
        is_right = taken is None
    else:
        is_right = taken is not None and (
            taken.track.id == line.song.id or is_same(taken.track.title, taken.track.artists, line.song)
        )
    return Outcome(line, taken, is_right, took_ms, cpu_ms, best)


def summarise(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How many lines, and the shares of right, wrong and unresolved ones.

    A line of a song that is not there is right where it is unresolved.
    """
    count = max(len(outcomes), 1)
    wrong = sum(one.taken is not None and not one.is_right for one in outcomes)
    return {
        "lines": len(outcomes),
        "right": sum(one.is_right for one in outcomes) / count,
        "wrong": wrong / count,
        "unresolved": sum(one.taken is None for one in outcomes) / count,
    }


def table_of_rates(rates: dict[str, dict[str, Any]]) -> Table:
    """One row for each kind of lines."""
    rows = [
        [name, str(rate["lines"]), *(f"{100 * rate[key]:.1f}" for key in ("right", "wrong", "unresolved"))]
        for name, rate in rates.items()
    ]
    return Table("Lines", ("songs", "lines", "right %", "wrong %", "unresolved %"), rows)


def table_of_noise(outcomes: Sequence[Outcome]) -> Table:
    """One row for each kind of noise; a line with several counts in each."""
    by_noise: dict[str, list[Outcome]] = {}
    for one in outcomes:
        for name in one.line.noise or ("none",):
            by_noise.setdefault(name, []).append(one)
    rows = [
        [name, str(s["lines"]), f"{100 * s['right']:.1f}", f"{100 * s['wrong']:.1f}"]
        for name, s in ((name, summarise(group)) for name, group in sorted(by_noise.items()))
    ]
    return Table("By noise, songs that are there", ("noise", "lines", "right %", "wrong %"), rows)


def table_of_confidence(found: dict[str, list[Outcome]]) -> Table:
    """What of the lines resolved, of all kinds, was right, by confidence."""
    right: Counter[float] = Counter()
    all: Counter[float] = Counter()
    for outcomes in found.values():
        for one in outcomes:
            if one.taken is not None:
                step = max(step for step in _STEPS if step <= one.taken.confidence)
                all[step] += 1
                right[step] += one.is_right
    rows = [[f"from {step}", str(all[step]), f"{100 * right[step] / all[step]:.1f}"] for step in sorted(all)]
    return Table("Of the lines resolved, those right", ("confidence", "lines", "right %"), rows)


def _show(outcomes: Sequence[Outcome]) -> None:
    for one in sorted(outcomes, key=lambda one: one.taken is None)[:_SHOWN]:
        song, best = one.line.song, one.nearest
        meant = "nothing" if song is None else f"{song.artists} {song.title!r}"
        shown = "nothing" if best is None else f"{best.confidence} {best.track.artists} {best.track.title!r}"
        findings.tell(f"{one.line.text!r} means {meant}; found {shown}")
