"""The cleaning rules as data, and what applies them. A row is dropped by the first rule that it hits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from indexer.catalogue.cells import Mask
from indexer.catalogue.chunk import LINE, ROW, Chunk
from indexer.catalogue.layout import Source
from indexer.catalogue.report import Action, FileReport, RuleCount
from indexer.errors import ConfigError

PRESETS = ("default", "music2movie")

_ALL: tuple[Source, ...] = ("movies", "tracks", "soundtracks")
_ITEMS: tuple[Source, ...] = ("movies", "tracks")


@dataclass(frozen=True, slots=True)
class Rule:
    """One cleaning rule.

    ``hits`` tells from a typed chunk which rows a row rule drops; rules without it act where a row is read,
    where a value is parsed, or across rows. ``value``: the column whose content a sample shows.
    """

    name: str
    action: Action
    description: str
    applies_to: tuple[Source, ...]
    hits: Callable[[pd.DataFrame], pd.Series[bool]] | None = None
    value: str | None = None
    presets: tuple[str, ...] = PRESETS


def _lacks(column: str) -> Callable[[pd.DataFrame], pd.Series[bool]]:
    def hits(rows: pd.DataFrame) -> pd.Series[bool]:
        return rows[column].isna() | (rows[column] == "")

    return hits


#: In the order of application: while reading, on single rows, across rows. Blanks concern values, not rows.
RULES: tuple[Rule, ...] = (
    Rule("broken_row", "drop", "wrong number of cells, broken quoting, or a cell over the size limit", _ALL),
    Rule("nul_bytes", "drop", "holds NUL bytes", _ALL),
    Rule("undecodable_bytes", "drop", "holds bytes that are not UTF-8", _ALL),
    Rule("missing_id", "drop", "no id, or one with a | in it", _ITEMS, _lacks("id"), "_raw_id"),
    Rule("missing_id", "drop", "no film id or no song id", ("soundtracks",)),
    Rule("missing_title", "drop", "no title", _ITEMS, _lacks("title")),
    Rule("missing_artist", "drop", "no artist", ("tracks",), _lacks("artists")),
    Rule("missing_overview", "drop", "no overview", ("movies",), _lacks("overview")),
    Rule("missing_genres", "drop", "no genre", ("movies",), _lacks("genres")),
    Rule(
        "not_released",
        "drop",
        "has a status other than Released",
        ("movies",),
        lambda rows: rows["_status"].notna() & (rows["_status"].str.lower() != "released"),
        "_status",
    ),
    Rule("adult", "drop", "marked as adult", ("movies",), lambda rows: rows["_adult"] == 1.0),
    Rule("missing_poster", "drop", "no poster", ("movies",), _lacks("poster_path"), presets=("music2movie",)),
    Rule(
        "missing_popularity",
        "drop",
        "no popularity",
        ("movies",),
        _lacks("popularity"),
        presets=("music2movie",),
    ),
    Rule("duplicate_id", "drop", "the id of an earlier film", ("movies",)),
    Rule(
        "genre_rows_merged",
        "merge",
        "a song listed again with the same id: genres joined, first values kept",
        ("tracks",),
    ),
    Rule(
        "same_recording_merged",
        "merge",
        "same title and artists (case, accents and white space aside) under another id: the most popular, "
        "then most complete, row is kept with the others' ids",
        ("tracks",),
    ),
    Rule("unknown_movie", "drop", "its film is not in the catalogue", ("soundtracks",)),
    Rule("unknown_track", "drop", "its song is not in the catalogue", ("soundtracks",)),
    Rule("duplicate_pair", "drop", "the pair of an earlier row", ("soundtracks",)),
    Rule("wrong_type", "blank", "not of the column's type; the value becomes unknown", _ITEMS),
    Rule(
        "impossible_number",
        "blank",
        "not finite or outside what is possible; the value becomes unknown",
        _ITEMS,
    ),
    Rule(
        "zero_is_unknown",
        "blank",
        "0 in runtime, revenue or budget, which is how TMDb writes unknown",
        ("movies",),
    ),
    Rule(
        "unrated",
        "blank",
        "a rating with no votes, or with none known; the rating becomes unknown",
        ("movies",),
    ),
)


def rules_for(source: Source, preset: str) -> list[Rule]:
    """The rules for a file under a preset, in order. Raises ``ConfigError`` for an unknown preset."""
    if preset not in PRESETS:
        raise ConfigError(f"unknown cleaning preset {preset!r}; there are {', '.join(PRESETS)}")
    return [rule for rule in RULES if source in rule.applies_to and preset in rule.presets]


def start_report(file: str, rules: Sequence[Rule]) -> FileReport:
    """An empty report that lists every rule, so that a count of zero is seen to be one."""
    return FileReport(
        file, {rule.name: RuleCount(rule.name, rule.action, rule.description) for rule in rules}
    )


def count_faults(chunk: Chunk, report: FileReport) -> None:
    """Count a chunk's rows as read, and those lost while reading under their rules."""
    report.rows_read += chunk.rows_read
    for fault in chunk.faults:
        report.rules[fault.rule].add_fault(fault)


@dataclass(slots=True)
class Draft:
    """Typed rows in the making: what was blanked is counted once it is known which rows stay."""

    rows: pd.DataFrame
    _blanks: list[tuple[str, str, Mask, pd.Series[str]]] = field(default_factory=list)

    def blank(self, rule: str, column: str, mask: Mask, cells: pd.Series[str]) -> None:
        """Make ``column`` unknown where ``mask``; ``cells`` are what the source says there."""
        if mask.any():
            self._blanks.append((rule, column, mask, cells))
            if column in self.rows:
                self.rows.loc[mask, column] = np.nan

    def settle(self, rules: Sequence[Rule], report: FileReport) -> pd.DataFrame:
        """Apply the row rules in order, count what they and the blanks hit, and return the rows that stay."""
        alive = np.ones(len(self.rows), dtype=bool)
        for rule in rules:
            if rule.hits is None:
                continue
            mask = rule.hits(self.rows).to_numpy(dtype=bool) & alive
            if mask.any():
                hit = self.rows[mask]
                report.rules[rule.name].add_rows(
                    hit, None if rule.value is None else hit[rule.value].tolist()
                )
                alive &= ~mask
        for name, column, mask, cells in self._blanks:
            seen = mask & alive
            if seen.any():
                values = [f"{column.lstrip('_')} = {cell}" for cell in cells[seen]]
                report.rules[name].add_rows(self.rows[seen], values)
        return self.rows[alive]


def start_draft(chunk: Chunk) -> Draft:
    """A draft with nothing but the places of a chunk's rows."""
    return Draft(chunk.frame[[ROW, LINE]].copy())


def count_unknown(table: pd.DataFrame) -> dict[str, int]:
    """Column → rows without a value (NA, or "" in a multi-valued column)."""
    return {str(name): int((table[name].isna() | (table[name] == "")).sum()) for name in table.columns}
