"""Records of a catalogue by row, the last used ones in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from indexer.catalogue.records import SEPARATOR

Record = TypeVar("Record")

#: Records that stay in memory, of each medium: some 7 MB of films and 4 MB of songs at most.
KEPT_RECORDS: Final = 2_048


class RecordCache(Generic[Record]):
    """Makes records of stored rows and keeps the last used; safe to use from many threads.

    ``kinds``: column → kind, in the order of the record's fields; ``read``: rows → their cells in that order,
    each of its column's own type, lists joined by ``SEPARATOR`` and truths as 0 or 1.
    """

    def __init__(
        self,
        record: Callable[..., Record],
        kinds: Mapping[str, str],
        read: Callable[[Sequence[int]], list[tuple[Any, ...]]],
        kept_records: int = KEPT_RECORDS,
    ) -> None:
        self._record = record
        self._read = read
        self._most = kept_records
        self._many = [place for place, kind in enumerate(kinds.values()) if kind == "many"]
        self._truths = [place for place, kind in enumerate(kinds.values()) if kind == "bool"]
        self._kept: OrderedDict[int, Record] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many records are in memory."""
        return len(self._kept)

    def get(self, rows: Sequence[int]) -> list[Record]:
        """Records of these rows, in the order asked; what ``read`` raises for those not in memory."""
        found: dict[int, Record] = {}
        with self._lock:
            for row in rows:
                if row in self._kept:
                    self._kept.move_to_end(row)
                    found[row] = self._kept[row]
        lacking = list(dict.fromkeys(int(row) for row in rows if row not in found))
        if lacking:
            made = dict(zip(lacking, map(self._make, self._read(lacking)), strict=True))
            found |= made
            with self._lock:
                self._kept.update(made)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return [found[row] for row in rows]

    def _make(self, stored: tuple[Any, ...]) -> Record:
        cells = list(stored)
        for place in self._many:
            cell = cells[place]
            cells[place] = tuple(filter(None, cell.split(SEPARATOR))) if cell else ()
        for place in self._truths:
            if cells[place] is not None:
                cells[place] = bool(cells[place])
        return self._record(*cells)
