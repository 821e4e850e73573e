"""The words that profiles are written in, one vocabulary for films, songs, artists, genres and texts.

A *profile* is a row of numbers (``WIDTH``,) float32: one column a word of ``vocabulary.csv`` (0 where it does not
apply, 1 for the strongest), then energy, valence and acousticness in 0 … 1, NaN where nothing is said of them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.errors import InputError

Floats = npt.NDArray[np.float32]

FOLDER: Final = Path(__file__).parent
#: The groups of words, in the order of their columns.
GROUPS: Final = ("moods", "music", "scenes", "decades")
#: Numbers that follow the words.
NUMBERS: Final = ("energy", "valence", "acoustic")
#: Each further word of a list says this much less than the one before it.
_DECAY = 0.88


class Vocabulary(NamedTuple):
    """``words``: all words in the order of their columns; ``columns``: group → its columns; ``places``: → column."""

    words: tuple[str, ...]
    columns: Mapping[str, slice]
    places: Mapping[tuple[str, str], int]

    @property
    def width(self) -> int:
        """Columns of a profile."""
        return len(self.words) + len(NUMBERS)

    @property
    def numbers(self) -> slice:
        """Columns of energy, valence and acousticness."""
        return slice(len(self.words), self.width)

    def place(self, group: str, word: str) -> int:
        """Column of a word; raises ``InputError`` for one that is not in the vocabulary."""
        try:
            return self.places[group, word]
        except KeyError:
            raise InputError(f"{word!r} is not one of the {group} in vocabulary.csv") from None

    def write(self, lists: Mapping[str, Sequence[str]], numbers: Sequence[float | None]) -> Floats:
        """A profile from lists of words by group, the strongest first, and numbers from 0 to 10 (None unknown)."""
        profile = np.zeros(self.width, dtype=np.float32)
        for group, words in lists.items():
            for rank, word in enumerate(words):
                profile[self.place(group, word)] = _DECAY**rank if group != "decades" else 1.0
        profile[self.numbers] = [np.nan if number is None else number / 10.0 for number in numbers]
        return profile

    def strongest(self, group: str, profile: Floats, most: int, least: float = 0.0) -> list[str]:
        """The words of a group that a profile says most of, at most ``most``, all above ``least``."""
        columns = self.columns[group]
        values = profile[columns]
        order = np.argsort(-values, kind="stable")[:most]
        return [self.words[columns.start + place] for place in order.tolist() if values[place] > least]


@cache
def vocabulary() -> Vocabulary:
    """The project's vocabulary, read once."""
    with (FOLDER / "vocabulary.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["group"], row["word"]) for row in csv.DictReader(file)]
    ordered = [row for group in GROUPS for row in rows if row[0] == group]
    columns, start = {}, 0
    for group in GROUPS:
        count = sum(of == group for of, _ in ordered)
        columns[group] = slice(start, start + count)
        start += count
    places = {row: place for place, row in enumerate(ordered)}
    return Vocabulary(tuple(word for _, word in ordered), columns, places)
