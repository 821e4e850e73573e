"""What could not be fetched, as a CSV file that grows with the run and is read by the next one."""

from __future__ import annotations

import csv
import threading
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Final

from indexer.errors import FetchFailed, UnreadableFile
from indexer.fetching.replies import plain

COLUMNS: Final = ("id", "url", "reason", "attempts")

#: Marks reasons that will be the same the next time.
_FINAL_MARK: Final = "final "


class FailureLog:
    """The failures of a folder: columns id, url, reason, attempts; a reason is ``kind: detail``.

    One that begins with ``final`` will not go away by asking again. Each failure is in the file before the next
    picture is asked for; closing leaves one row for each id that is still without its picture.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows = _read(path)
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        if self._file.tell() == 0:
            self._writer.writerow(COLUMNS)

    def __enter__(self) -> FailureLog:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def final_ids(self) -> set[str]:
        """Ids whose failure, as last written, is not worth another try."""
        return {id for id, row in self._rows.items() if row[2].startswith(_FINAL_MARK)}

    def add(self, id: str, url: str, failure: FetchFailed) -> None:
        """Write a failure down; safe to use from many threads."""
        mark = _FINAL_MARK if failure.is_final else ""
        row = (plain(id), url, plain(f"{mark}{failure}"), str(failure.attempts))
        with self._lock:
            self._rows[row[0]] = row
            self._writer.writerow(row)
            self._file.flush()

    def settle(self, present: Collection[str]) -> None:
        """Write the file anew: the last failure of each id that is not among those that are there now."""
        with self._lock:
            self._rows = {id: row for id, row in self._rows.items() if id not in present}
            part = self.path.with_name(self.path.name + ".part")
            with part.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([COLUMNS, *self._rows.values()])
            part.replace(self.path)


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    if not path.exists() or not path.stat().st_size:
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{path} is no failure log ({error}); move it away") from error
    if tuple(rows[0]) != COLUMNS:
        raise UnreadableFile(f"{path} is no failure log: its first line is not {','.join(COLUMNS)}")
    # A row cut short by an interruption is not a whole one; its id is simply tried again.
    return {row[0]: tuple(row) for row in rows[1:] if len(row) == len(COLUMNS)}
