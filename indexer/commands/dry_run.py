"""``build --dry-run``: what would be read of the source files, what would be dropped and why, and what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from indexer.catalogue.catalogue import refuse_empty
from indexer.catalogue.field_costs import COSTS
from indexer.catalogue.layout import Layout
from indexer.catalogue.records import Movie, Track, movie_from_cells, track_from_cells
from indexer.catalogue.report import Action, FileReport, RuleCount
from indexer.catalogue.soundtracks import read_soundtracks
from indexer.catalogue.spotify import LAYOUT as TRACK_LAYOUT
from indexer.catalogue.spotify import read_tracks
from indexer.catalogue.table_reader import open_table
from indexer.catalogue.tmdb import LAYOUT as MOVIE_LAYOUT
from indexer.catalogue.tmdb import read_movies
from indexer.config import SOURCES
from indexer.errors import ConfigError, SegueError

_SHOWN_ITEMS = 3
_SHOWN_SAMPLES = 3
_WIDTH = 100

_ACTIONS: Mapping[Action, str] = {"drop": "dropped", "merge": "merged", "blank": "values made unknown"}

Read = Callable[[Path, str, Mapping[str, str]], tuple[pd.DataFrame, FileReport]]


def tell_dry_run(values: Mapping[str, Any]) -> None:
    """Read and clean what a build with these settings would, and print what comes of it; films or songs suffice.

    Raises what reading raises, ``EmptyCatalogue`` at the end where nothing would be left, and ``ConfigError``
    where there is nothing to read or a report is wanted.
    """
    if values["report"] is not None:
        raise ConfigError("--dry-run writes nothing, so it does not go with --report")
    if values["movies"] is None and values["tracks"] is None:
        raise ConfigError(
            "--dry-run needs something to read: --movies FILE, --tracks FILE or --preset public"
        )
    tables: dict[str, pd.DataFrame] = {}
    empty: SegueError | None = None
    kinds: tuple[tuple[str, str, Layout, Read, Callable[[Mapping[str, Any]], Movie | Track], str], ...] = (
        ("movies", "movie_columns", MOVIE_LAYOUT, read_movies, movie_from_cells, "film"),
        ("tracks", "track_columns", TRACK_LAYOUT, read_tracks, track_from_cells, "song"),
    )
    for source, columns, layout, read, to_record, item in kinds:
        path = values[source]
        if path is None:
            _say(f"No --{source} is named, so a build would be refused.\n\n")
            continue
        opened = open_table(path, layout, values[columns])
        table, report = read(path, values["preset"], values[columns])
        tables[source] = table
        _say_lines(_describe_rows(path, report, item))
        _say_lines(_describe_columns(layout, opened.columns, opened.places, report.absent))
        _say_lines(_describe_items(table, to_record, item))
        try:
            refuse_empty(path, report, item)
        except SegueError as error:
            empty = empty or error
    if values["soundtracks"] is not None and len(tables) == 2:
        _pairs, report = read_soundtracks(
            values["soundtracks"], tables["movies"], tables["tracks"], values["preset"]
        )
        _say_lines([*_describe_rows(values["soundtracks"], report, "pair"), ""])
    _say_lines(_describe_others(values))
    if empty is not None:
        raise empty
    _say("Nothing was written.\n")


def _say(text: str) -> None:
    sys.stdout.write(text)


def _say_lines(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _describe_rows(path: Path, report: FileReport, item: str) -> list[str]:
    lines = [f"{path}: {report.rows_read:,} rows read, {report.rows_kept:,} {item}s kept"]
    for action, verb in _ACTIONS.items():
        hits = [rule for rule in report.rules.values() if rule.action == action and rule.count]
        if hits:
            lines.append(f"  {verb}: {report.total(action):,}")
        for rule in hits:
            lines.append(f"    {rule.name}: {rule.count:,} ({rule.description})")
            lines += [f"      {line}" for line in _describe_samples(rule)]
    gaps = {name: count for name, count in report.unknown.items() if count and name not in report.absent}
    gaps.pop("other_ids", None)  # not something a file could tell
    if gaps:
        lines.append(
            f"  not known of all that is kept: {', '.join(f'{name} {n:,}' for name, n in gaps.items())}"
        )
    return lines


def _describe_samples(rule: RuleCount) -> list[str]:
    lines = []
    for sample in rule.samples[:_SHOWN_SAMPLES]:
        place = f"row {sample.row}" if sample.line is None else f"line {sample.line}"
        known = [f"id {sample.id}" if sample.id else "", sample.title or "", sample.value or ""]
        lines.append(
            f"{place}: {' · '.join(dict.fromkeys(word for word in known if word)) or 'an empty row'}"
        )
    return lines


def _describe_columns(
    layout: Layout, header: list[str], places: Mapping[str, int], absent: Iterable[str]
) -> list[str]:
    used = [
        f"{field} ← {header[places[theirs]]}" for field, theirs in layout.fields.items() if theirs in places
    ]
    unused = [name or "(unnamed)" for at, name in enumerate(header) if at not in places.values()]
    lines = [f"  columns read: {', '.join(used)}"]
    if unused:
        lines.append(f"  columns not read: {', '.join(unused)}")
    # A column that says what a field is, but under a name that the layout does not have.
    for name in unused:
        if name in layout.fields and layout.fields[name] not in places:
            lines.append(f"    {name} would be read with {layout.map_option} {name}={name}")
    missing = [
        *absent,
        *(name for name, theirs in layout.fields.items() if name == theirs and theirs not in places),
    ]
    costs = COSTS[layout.source]
    if missing := [name for name in dict.fromkeys(missing) if name in costs]:
        lines.append("  no column for:")
        lines += [f"    {name}: {costs[name]}" for name in missing]
    return lines


def _describe_items(
    table: pd.DataFrame, to_record: Callable[[Mapping[str, Any]], Movie | Track], item: str
) -> list[str]:
    rows = table.head(_SHOWN_ITEMS).to_dict("records")
    lines = [f"  the first {item}s as they are understood:"] if rows else []
    for row in rows:
        record = to_record({str(name): None if value != value else value for name, value in row.items()})
        lines.append(f"    {record.id}: {record.title}")
        for name in table.columns[2:]:
            value = getattr(record, name)
            if value not in (None, ()):
                lines.append(f"      {name}: {_shorten(value)}")
    return [*lines, ""]


def _shorten(value: Any) -> str:
    text = "; ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _describe_others(values: Mapping[str, Any]) -> list[str]:
    """Files that a build reads beside films, songs and pairs; they are looked for, not read."""
    others = {name: values.get(name) for name in SOURCES if name not in ("movies", "tracks", "soundtracks")}
    lines = [
        f"  {name}: {path}{'' if path.exists() else ' (NOT THERE)'}"
        for name, path in others.items()
        if path is not None
    ]
    return ["Read by a build besides, and not looked into now:", *lines, ""] if lines else []
