"""Search over sparse vectors of named terms: rows by item, postings by term, both mapped from files.

Scores are inner products, exact: every item that shares a term with the query is found, by adding up the
postings of the query's terms (an inverted index; Zobel & Moffat, "Inverted files for text search engines",
2006). Needs numpy alone. Safe to search from several threads at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged
from indexer.features.names import NameTerms, SparseRows

Floats = npt.NDArray[np.float32]
Columns = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

MEDIA: tuple[Medium, ...] = ("movies", "tracks")

#: How much of what is avoided is taken from what is wanted.
_AVOIDED_WEIGHT = 0.5
#: Fewer entries than this share of the items are added up by sorting them, not in a table of all items.
_SORTED_SHARE = 16
#: Words after which something more follows.
_LINKS = "the a an of and or in to for on with at from as his her my your their its de la el le les"
_ENDS_NO_NAME = frozenset(_LINKS.split())
_TERMS_FILE = "terms.txt"
_DTYPES = {"indptr": np.int64, "columns": np.int32, "values": np.float32}


@dataclass(frozen=True)
class SparseQuery:
    """Wanted terms: ``columns`` int32, ascending, and their ``values`` float32, all above 0."""

    columns: Columns
    values: Floats


#: An item by its medium and row, or the terms of one that no row holds.
NamedItem = tuple[Medium, int] | SparseQuery


class SparseIndex:
    """The terms of all films and songs. Rows are positions in the catalogue's tables."""

    def __init__(self, names: NameTerms, postings: Mapping[Medium, SparseRows]) -> None:
        self.terms = names.terms
        self._rows: dict[Medium, SparseRows] = {"movies": names.movies, "tracks": names.tracks}
        self._postings = dict(postings)

    @classmethod
    def build(cls, names: NameTerms) -> SparseIndex:
        """Index the terms of both media."""
        return cls(names, {"movies": names.movies.transposed(), "tracks": names.tracks.transposed()})

    def size(self, medium: Medium) -> int:
        """Number of items of ``medium``."""
        return self._rows[medium].n_rows

    def row(self, medium: Medium, row: int) -> tuple[Columns, Floats]:
        """Columns (ascending) and values of one item; views, not copies. IndexError for a row that is not there."""
        matrix = self._rows[medium]
        if not 0 <= row < matrix.n_rows:
            raise IndexError(f"rows of {medium} are from 0 to {matrix.n_rows - 1}, not {row}")
        part = slice(int(matrix.indptr[row]), int(matrix.indptr[row + 1]))
        return matrix.columns[part], matrix.values[part]

    def combine(self, wanted: Sequence[NamedItem], avoided: Sequence[NamedItem] = ()) -> SparseQuery:
        """Make the mean of the wanted items less half the mean of the avoided ones.

        What is left below 0 is dropped: a name can only add to a score. Without wanted items the query is empty.
        IndexError for a row that is not there.
        """
        if len(wanted) == 1 and not avoided:
            columns_of_one, values_of_one = self._terms_of(wanted[0])
            kept = values_of_one > 0
            return SparseQuery(columns_of_one[kept], values_of_one[kept])
        columns, values = [np.empty(0, np.int32)], [np.empty(0, np.float64)]
        for items, weight in ((wanted, 1.0), (avoided, -_AVOIDED_WEIGHT)):
            for item in items:
                found, its_values = self._terms_of(item)
                columns.append(found)
                values.append(its_values * np.float64(weight / len(items)))
        kinds, places = np.unique(np.concatenate(columns), return_inverse=True)
        sums = np.bincount(places, np.concatenate(values), minlength=len(kinds)).astype(np.float32)
        return SparseQuery(kinds[sums > 0], sums[sums > 0])

    def _terms_of(self, item: NamedItem) -> tuple[Columns, Floats]:
        return (item.columns, item.values) if isinstance(item, SparseQuery) else self.row(*item)

    def scores(self, query: SparseQuery, target: Medium) -> tuple[Rows, Floats]:
        """All rows of ``target`` that share a term with ``query``, ascending, and their scores, above 0."""
        postings = self._postings[target]
        owners, places = _list_entries(postings, query.columns)
        if not len(places):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        rows = postings.columns[places]
        products = query.values.astype(np.float64)[owners] * postings.values[places]
        if len(rows) > postings.n_columns // _SORTED_SHARE:
            sums = np.bincount(rows, products, minlength=postings.n_columns)
            # Of truths: of floats the same takes ten times as long.
            found = np.flatnonzero(sums > 0)
            return found, sums[found].astype(np.float32)
        # Few entries are sorted; the products of a row stay in their order, so that both ways round alike.
        order = rows.argsort(kind="stable")
        rows = rows[order]
        firsts = np.empty(len(rows), np.bool_)
        firsts[0] = True
        np.not_equal(rows[1:], rows[:-1], out=firsts[1:])
        sums = np.bincount(firsts.cumsum() - 1, products[order])
        return rows[firsts].astype(np.int64), sums.astype(np.float32)

    def value(self, query: SparseQuery, medium: Medium, rows: Rows) -> Floats:
        """Score of each of ``rows`` (n,): the same numbers as ``scores``, 0 where nothing is shared.

        IndexError for a row that is not there.
        """
        owners, _, products = self._shared(query, medium, rows)
        # The same products in the same order as in ``scores``, so that both round alike.
        return np.bincount(owners, products, minlength=len(rows)).astype(np.float32)

    def explain(
        self, query: SparseQuery, medium: Medium, rows: Rows, most: int = 3
    ) -> tuple[Floats, list[list[str]]]:
        """Score of each of ``rows`` (n,), as ``value`` has it, and the terms that add most to it, best first.

        At most ``most`` terms each. A pair of words counts for what it and its words add, and its words are not
        named again. A pair that stops short ("prince and") is named by its first word. IndexError for a row that
        is not there.
        """
        owners, columns, products = self._shared(query, medium, rows)
        values = np.bincount(owners, products, minlength=len(rows)).astype(np.float32)
        added: list[dict[str, float]] = [{} for _ in range(len(rows))]
        for owner, column, product in zip(owners.tolist(), columns.tolist(), products.tolist(), strict=True):
            added[owner][self.terms[column]] = product
        return values, [_name_best(terms, most) if terms else [] for terms in added]

    def _shared(
        self, query: SparseQuery, medium: Medium, rows: Rows
    ) -> tuple[Rows, Columns, npt.NDArray[np.float64]]:
        """Every term that one of ``rows`` shares with the query: place of the row, column, what it adds."""
        matrix = self._rows[medium]
        if len(rows) and not 0 <= rows.min() <= rows.max() < matrix.n_rows:
            raise IndexError(f"rows of {medium} are from 0 to {matrix.n_rows - 1}")
        owners, places = _list_entries(matrix, rows)
        columns = matrix.columns[places]
        at = np.searchsorted(query.columns, columns)
        at[at == len(query.columns)] = 0
        there = np.flatnonzero(query.columns[at] == columns) if len(query.columns) else at[:0]
        products = query.values[at[there]].astype(np.float64) * matrix.values[places[there]]
        return owners[there], columns[there], products

    def write(self, folder: Path) -> None:
        """Write .npy arrays and the terms into a new folder; the same index gives the same bytes."""
        folder.mkdir()
        (folder / _TERMS_FILE).write_bytes("".join(f"{term}\n" for term in self.terms).encode("utf-8"))
        for kind, matrices in (("rows", self._rows), ("postings", self._postings)):
            for medium, matrix in matrices.items():
                for array, dtype in _DTYPES.items():
                    numbers = np.ascontiguousarray(getattr(matrix, array), dtype)
                    np.save(folder / f"{medium}_{kind}_{array}.npy", numbers, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> SparseIndex:
        """Map what ``write`` wrote into memory; raises ``VersionDamaged``.

        Only sizes and shapes are checked here; altered numbers are for the version's checksums to find.
        """
        try:
            text = (folder / _TERMS_FILE).read_bytes().decode("utf-8")
        except (OSError, ValueError) as error:
            raise VersionDamaged(f"{folder.name}: {_TERMS_FILE} cannot be read: {error}") from error
        terms = text.split("\n")
        if terms.pop():
            raise VersionDamaged(f"{folder.name}: {_TERMS_FILE} is cut short")
        movies, tracks = (_open_matrix(folder, f"{medium}_rows", None, len(terms)) for medium in MEDIA)
        postings = {
            medium: _open_matrix(folder, f"{medium}_postings", len(terms), rows.n_rows)
            for medium, rows in zip(MEDIA, (movies, tracks), strict=True)
        }
        for medium, rows in zip(MEDIA, (movies, tracks), strict=True):
            if len(rows.columns) != len(postings[medium].columns):
                raise VersionDamaged(f"{folder.name}: the rows and postings of {medium} do not fit together")
        return cls(NameTerms(movies, tracks, terms), postings)


def _list_entries(matrix: SparseRows, rows: Rows | Columns) -> tuple[Rows, Rows]:
    """All entries of some rows of a matrix, in order: the place in ``rows`` of each, and its own."""
    starts = matrix.indptr[rows]
    lengths = matrix.indptr[rows + 1] - starts
    owners = np.arange(len(rows)).repeat(lengths)
    places = np.arange(len(owners))
    places += (starts - lengths.cumsum() + lengths)[owners]
    return owners, places


def _name_best(added: dict[str, float], most: int) -> list[str]:
    """The terms that are worth most, of term → what it adds; pairs take their words in."""
    pairs = [term for term in added if " " in term]
    if not pairs:
        return sorted(added, key=lambda term: (-added[term], term))[:most]
    for pair in pairs:
        first, second = pair.split(" ")
        if second in _ENDS_NO_NAME and first in added:
            added[first] += added.pop(pair)
    in_pairs = {word for term in added if " " in term for word in term.split(" ")}
    worth = {
        term: value + sum(added.get(word, 0.0) for word in term.split(" ") if " " in term)
        for term, value in added.items()
        if term not in in_pairs
    }
    return sorted(worth, key=lambda term: (-worth[term], term))[:most]


def _open_matrix(folder: Path, name: str, n_rows: int | None, n_columns: int) -> SparseRows:
    """Map one matrix: of ``n_rows`` rows, or of as many as its file says."""
    arrays = {}
    for array, dtype in _DTYPES.items():
        path = folder / f"{name}_{array}.npy"
        try:
            # A plain view of the mapping: slicing a memmap object is several times slower.
            arrays[array] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise VersionDamaged(f"{folder.name}: {path.name} cannot be read: {error}") from error
        if arrays[array].dtype != dtype or arrays[array].ndim != 1:
            raise VersionDamaged(f"{folder.name}: {path.name} is not a row of {np.dtype(dtype)} numbers")
    indptr = arrays["indptr"]
    if (
        len(indptr) != (len(indptr) if n_rows is None else n_rows + 1)
        or not len(indptr)
        or indptr[0] != 0
        or (np.diff(indptr) < 0).any()
        or not indptr[-1] == len(arrays["columns"]) == len(arrays["values"])
    ):
        raise VersionDamaged(f"{folder.name}: the arrays of {name} do not fit together")
    return SparseRows(indptr, arrays["columns"], arrays["values"], n_columns)
