"""The columns that searches filter by, one folder of plain arrays per medium, memory-mapped when opened.

A row whose value is unknown never passes a filter on it. A song known only by its decade stands for the whole
decade: it passes a range of years that holds all ten, since any of them may be its year.
"""

from __future__ import annotations

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import SEPARATOR, Medium
from indexer.errors import BadFilter, VersionDamaged, VersionFormat

if TYPE_CHECKING:
    import pandas as pd

Mask = npt.NDArray[np.bool_]

_FORMAT = 1
_DESCRIPTION = "columns.json"
#: Numeric columns per medium, as tables name them; float64, since rounding would move values across a limit.
_NUMBERS: dict[str, tuple[str, ...]] = {
    "movies": ("rating", "votes", "popularity", "runtime_min"),
    "tracks": ("popularity", "tempo", "energy", "valence"),
}
#: Numeric column → the filters on its lower and upper end ("" where there is none).
_RANGES: dict[str, tuple[str, str]] = {
    "rating": ("rating_min", ""),
    "votes": ("votes_min", ""),
    "popularity": ("popularity_min", ""),
    "runtime_min": ("runtime_min", "runtime_max"),
    "tempo": ("tempo_min", "tempo_max"),
    "energy": ("energy_min", "energy_max"),
    "valence": ("valence_min", "valence_max"),
}
#: Array → its type. The rows of genre g are genre_rows[genre_starts[g] : genre_starts[g + 1]].
_ARRAYS: dict[str, dict[str, str]] = {
    medium: {
        "genre_rows": "<i4",
        "genre_starts": "<i8",
        "first_year": "<i4",
        "last_year": "<i4",
        **({"language": "<i4"} if medium == "movies" else {"explicit": "|i1"}),
        **dict.fromkeys(numbers, "<f8"),
    }
    for medium, numbers in _NUMBERS.items()
}
#: Masks that stay in memory, of each medium: one byte a row, 2.6 MB for 82,000 songs.
KEPT_MASKS: Final = 32
#: Unknown years lie outside every range, at both ends; limits are cut to what lies between.
_NO_FIRST_YEAR, _NO_LAST_YEAR = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class Filters:
    """What a hit must satisfy: everything given here.

    Limits are inclusive; runtime is in minutes, tempo in beats a minute. ``genres`` and
    ``language`` ask for any one of their names, whatever the case.
    """

    genres: tuple[str, ...] = ()
    year_min: int | None = None
    year_max: int | None = None
    language: tuple[str, ...] = ()
    rating_min: float | None = None
    votes_min: int | None = None
    popularity_min: float | None = None
    runtime_min: float | None = None
    runtime_max: float | None = None
    explicit: bool | None = None
    tempo_min: float | None = None
    tempo_max: float | None = None
    energy_min: float | None = None
    energy_max: float | None = None
    valence_min: float | None = None
    valence_max: float | None = None


NO_FILTERS = Filters()
_NAMES = tuple(field.name for field in fields(Filters))


class Condition(NamedTuple):
    """What a column's value must be: one of ``any_of``, where there are some, else within the limits, both inclusive.

    A value that is unknown meets no condition.
    """

    column: str
    any_of: tuple[int, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Facets:
    """How many rows have each genre, decade (1980 for 1980–1989) and language; most first, none with 0."""

    genres: dict[str, int]
    decades: dict[int, int]
    languages: dict[str, int]


class FilterColumns:
    """The filter columns of one medium, one value per row of its index."""

    def __init__(
        self,
        medium: Medium,
        genres: tuple[str, ...],
        languages: tuple[str, ...],
        arrays: dict[str, npt.NDArray[Any]],
    ) -> None:
        self.medium = medium
        self.genres = genres
        self.languages = languages
        self._arrays = arrays
        self._genre_codes = {name.casefold(): code for code, name in enumerate(genres)}
        self._language_codes = {name.casefold(): code for code, name in enumerate(languages)}
        self._kept: OrderedDict[tuple[Any, ...], Mask] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self._arrays["first_year"])

    @classmethod
    def from_table(cls, medium: Medium, table: pd.DataFrame) -> FilterColumns:
        """Take the columns of a catalogue table; names that differ by case only become the first one."""
        genres, genre_codes = _encode(cell.split(SEPARATOR) for cell in _texts(table, "genres"))
        rows = np.repeat(np.arange(len(table)), [len(codes) for codes in genre_codes])
        flat = np.fromiter((code for codes in genre_codes for code in codes), np.int64, len(rows))
        arrays: dict[str, npt.NDArray[Any]] = {
            "genre_rows": rows[np.argsort(flat, kind="stable")],
            "genre_starts": np.concatenate(([0], np.cumsum(np.bincount(flat, minlength=len(genres))))),
        }
        first = last = _numbers(table, "year")
        languages: tuple[str, ...] = ()
        if medium == "tracks":
            decade = np.floor(_numbers(table, "decade") / 10) * 10
            first, last = (
                np.where(np.isnan(first), decade, first),
                np.where(np.isnan(first), decade + 9, first),
            )
            arrays["explicit"] = np.nan_to_num(_numbers(table, "explicit"), nan=-1)
        else:
            languages, codes = _encode([cell] for cell in _texts(table, "language"))
            arrays["language"] = np.array([code[0] if code else -1 for code in codes], np.int64)
        arrays["first_year"] = np.where(np.isnan(first), _NO_FIRST_YEAR, first)
        arrays["last_year"] = np.where(np.isnan(last), _NO_LAST_YEAR, last)
        arrays |= {name: _numbers(table, name) for name in _NUMBERS[medium]}
        typed = {name: np.ascontiguousarray(arrays[name], dtype) for name, dtype in _ARRAYS[medium].items()}
        return cls(medium, genres, languages, typed)

    def write(self, folder: Path) -> None:
        """Write one .npy file per array and a JSON description; equal columns give equal bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in self._arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        description = {
            "format": _FORMAT,
            "medium": self.medium,
            "size": self.size,
            "genres": self.genres,
            "languages": self.languages,
        }
        text = json.dumps(description, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        (folder / _DESCRIPTION).write_bytes(text.encode())

    @classmethod
    def open(cls, folder: Path, medium: Medium) -> FilterColumns:
        """Map the arrays that ``write`` made. VersionDamaged or VersionFormat where that fails."""
        try:
            description = json.loads((folder / _DESCRIPTION).read_bytes())
            if description["format"] != _FORMAT:
                raise VersionFormat(f"filter columns have format {description['format']}, not {_FORMAT}")
            size, genres = int(description["size"]), tuple(description["genres"])
            languages = tuple(description["languages"])
            arrays: dict[str, npt.NDArray[Any]] = {
                # A plain view of the mapping: a memmap object makes every operation slower.
                name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
                for name in _ARRAYS[medium]
            }
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise VersionDamaged(f"the filter columns of {medium} cannot be read: {error}") from error
        lengths = dict.fromkeys(arrays, size)
        lengths |= {"genre_rows": len(arrays["genre_rows"]), "genre_starts": len(genres) + 1}
        for name, array in arrays.items():
            if array.dtype.str != _ARRAYS[medium][name] or array.shape != (lengths[name],):
                raise VersionDamaged(
                    f"{name}.npy of {medium} holds {array.dtype} {array.shape}, not what was written"
                )
        if description["medium"] != medium:
            raise VersionDamaged(f"the filter columns are those of {description['medium']}, not of {medium}")
        return cls(medium, genres, languages, arrays)

    @cached_property
    def best_known(self) -> npt.NDArray[np.int64]:
        """Rows (n,) int64 from the best known: films by votes, where any has some, else all by popularity."""
        return np.argsort(-self.fame, kind="stable")

    @cached_property
    def fame(self) -> npt.NDArray[np.float32]:
        """How well known each row is (n,), on the medium's own scale; -1 where nothing says so."""
        votes = self._arrays.get("votes")
        fame = votes if votes is not None and np.isfinite(votes).any() else self._arrays["popularity"]
        return np.asarray(np.nan_to_num(fame, nan=-1.0), dtype=np.float32)

    def mask(self, filters: Filters) -> Mask | None:
        """Say which rows pass all ``filters``: (n,) bool, read-only, or None if nothing is filtered.

        The masks last asked for stay in memory. BadFilter, naming the field, for filters that make no sense for
        this medium.
        """
        if filters == NO_FILTERS:
            return None
        self._check(filters)
        key = tuple(tuple(v) if isinstance(v, list) else v for v in (getattr(filters, n) for n in _NAMES))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        mask = self._make_mask(filters)
        if mask is not None:
            mask.flags.writeable = False
            with self._lock:
                self._kept[key] = mask
                while len(self._kept) > KEPT_MASKS:
                    self._kept.popitem(last=False)
        return mask

    def conditions(self, filters: Filters) -> list[Condition]:
        """What ``filters`` ask of columns, all of which a row must meet, in codes and numbers only.

        BadFilter, naming the field, for filters that make no sense for this medium.
        """
        self._check(filters)
        asked: list[Condition] = []
        if filters.genres:
            codes = (_find(name, self._genre_codes, self.genres, "genre") for name in filters.genres)
            asked.append(Condition("genres", any_of=tuple(sorted(set(codes)))))
        if filters.language:
            codes = (_find(name, self._language_codes, self.languages) for name in filters.language)
            asked.append(Condition("language", any_of=tuple(sorted(set(codes)))))
        if filters.year_min is not None:
            asked.append(Condition("first_year", least=max(filters.year_min, _NO_FIRST_YEAR + 1)))
        if filters.year_max is not None:
            asked.append(Condition("last_year", most=min(filters.year_max, _NO_LAST_YEAR - 1)))
        if filters.explicit is not None:
            asked.append(Condition("explicit", any_of=(int(filters.explicit),)))
        for column in _NUMBERS[self.medium]:
            low, high = (getattr(filters, name) if name else None for name in _RANGES[column])
            if low is not None or high is not None:
                least, most = (None if limit is None else float(limit) for limit in (low, high))
                asked.append(Condition(column, least=least, most=most))
        return asked

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that hold one value a row, which are all but genres."""
        return tuple(name for name in self._arrays if not name.startswith("genre_"))

    def values(self, column: str) -> npt.NDArray[Any]:
        """One value a row (n,) of any column but genres. Unknown: NaN, code -1, years out of every range."""
        return self._arrays[column]

    def genre_codes(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The genres of all rows: ``codes[starts[row] : starts[row + 1]]`` are those of a row, ascending."""
        rows, counts = self._arrays["genre_rows"], np.diff(self._arrays["genre_starts"])
        codes = np.repeat(np.arange(len(self.genres)), counts)[np.argsort(rows, kind="stable")]
        starts = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=self.size))))
        return starts.astype(np.int64), codes.astype(np.int64)

    def _make_mask(self, filters: Filters) -> Mask | None:
        kept: Mask | None = None
        for condition in self.conditions(filters):
            passing = self._meet(condition)
            kept = passing if kept is None else kept & passing
        return kept

    def _meet(self, condition: Condition) -> Mask:
        column, any_of, least, most = condition
        if column == "genres":
            return self._with_genres(any_of)
        values = self._arrays[column]
        passing: Mask
        if column == "language":
            # Unknown is -1: the last place, which no name fills.
            wanted = np.zeros(len(self.languages) + 1, np.bool_)
            wanted[list(any_of)] = True
            passing = wanted[values]
        elif any_of:
            passing = np.isin(values, any_of) if len(any_of) > 1 else values == any_of[0]
        elif least is None:
            passing = values <= most
        else:
            passing = values >= least
            if most is not None:
                passing &= values <= most
        return passing

    def facets(self, mask: Mask | None = None) -> Facets:
        """Count the rows of ``mask`` (all where None) by genre, decade and language."""
        if mask is None:
            mask = np.ones(self.size, np.bool_)
        before = np.concatenate(([0], np.cumsum(mask[self._arrays["genre_rows"]])))
        starts = self._arrays["genre_starts"]
        years = self._arrays["first_year"][mask]
        decades, of_decade = np.unique(years[years != _NO_FIRST_YEAR] // 10 * 10, return_counts=True)
        of_language = np.zeros(0, np.int64)
        if self.languages:
            # Moved up by one, since unknown is -1.
            of_language = np.bincount(self._arrays["language"][mask] + 1, minlength=len(self.languages) + 1)[
                1:
            ]
        return Facets(
            genres=_most_first(self.genres, before[starts[1:]] - before[starts[:-1]]),
            decades=_most_first(decades.tolist(), of_decade),
            languages=_most_first(self.languages, of_language),
        )

    def _with_genres(self, codes: Iterable[int]) -> Mask:
        passing = np.zeros(self.size, np.bool_)
        starts = self._arrays["genre_starts"]
        for genre in codes:
            passing[self._arrays["genre_rows"][starts[genre] : starts[genre + 1]]] = True
        return passing

    def _check(self, filters: Filters) -> None:
        usable = {"genres", "year_min", "year_max", "language" if self.medium == "movies" else "explicit"}
        usable.update(name for column in _NUMBERS[self.medium] for name in _RANGES[column])
        for name in _NAMES:
            value = getattr(filters, name)
            if value is None or value == ():
                continue
            if name not in usable:
                other = "films" if self.medium == "movies" else "songs"
                raise BadFilter(f"{name} does not apply to {other}", field=f"filters.{name}")
            _KIND_CHECKS.get(name, _check_number)(name, value)
        for low, high in (("year_min", "year_max"), *_RANGES.values()):
            least, most = getattr(filters, low), getattr(filters, high) if high else None
            if least is not None and most is not None and least > most:
                raise BadFilter(f"{low} {least} is above {high} {most}", field=f"filters.{low}")


def _check_number(name: str, value: object) -> None:
    # Integers too large for a float cannot be compared with a column.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or abs(value) > 1e300
        or math.isnan(value)
    ):
        raise BadFilter(f"{name} must be a finite number", field=f"filters.{name}")


def _check_names(name: str, value: object) -> None:
    if not isinstance(value, tuple | list) or not all(isinstance(part, str) for part in value):
        raise BadFilter(f"{name} must be a list of names", field=f"filters.{name}")


def _check_truth(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise BadFilter(f"{name} must be true or false", field=f"filters.{name}")


_KIND_CHECKS: dict[str, Callable[[str, object], None]] = {
    "genres": _check_names,
    "language": _check_names,
    "explicit": _check_truth,
}


def _find(name: str, codes: Mapping[str, int], known: tuple[str, ...], what: str = "language") -> int:
    """The code of a name, whatever its case; BadFilter with names like it where there is none."""
    wanted = name.strip().casefold()
    if wanted in codes:
        return codes[wanted]
    near = get_close_matches(wanted[:60], codes, n=3, cutoff=0.5)
    names = ", ".join(known[codes[entry]] for entry in near)
    hint = f"did you mean {names}?" if near else f"there are {len(known)}, such as {', '.join(known[:5])}"
    field = "filters.genres" if what == "genre" else "filters.language"
    raise BadFilter(f"unknown {what} {name[:60]!r}; {hint}", field=field)


def _encode(cells: Iterable[list[str]]) -> tuple[tuple[str, ...], list[list[int]]]:
    """Number the names of all cells in alphabetical order; a cell's codes ascend and none is there twice."""
    spelling: dict[str, str] = {}
    folded_cells: list[set[str]] = []
    for cell in cells:
        stripped = [name.strip() for name in cell if name.strip()]
        for name in stripped:
            spelling.setdefault(name.casefold(), name)
        folded_cells.append({name.casefold() for name in stripped})
    codes = {key: code for code, key in enumerate(sorted(spelling))}
    names = tuple(spelling[key] for key in codes)
    return names, [sorted(codes[key] for key in cell) for cell in folded_cells]


def _numbers(table: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    return table[column].to_numpy(dtype=np.float64, na_value=np.nan)


def _texts(table: pd.DataFrame, column: str) -> list[str]:
    return [str(cell) for cell in table[column].to_numpy(dtype=object, na_value="")]


def _most_first(names: Iterable[Any], counts: npt.NDArray[np.int64]) -> dict[Any, int]:
    pairs = [(name, int(count)) for name, count in zip(names, counts, strict=True) if count]
    return dict(sorted(pairs, key=lambda pair: -pair[1]))
