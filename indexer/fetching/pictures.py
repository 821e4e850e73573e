"""Many pictures fetched into a folder, by many threads, and only those that are not there yet."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from indexer.errors import FetchFailed
from indexer.fetching.download import Downloader, Request
from indexer.fetching.failure_log import FailureLog
from indexer.fetching.picture_check import PICTURE_TYPES, SUFFIXES, check_picture

#: Largest file that is kept, in bytes.
MOST_BYTES: Final = 5 * 1024 * 1024

#: Failures in a row that may pass, with nothing fetched between, after which a run ends: the net is away.
GIVE_UP_AFTER: Final = 100

FAILURES: Final = "failures.csv"

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_PART: Final = ".part"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture: the item's id, where to ask, and how the answer gives the picture's URL (None: it is the URL).

    ``shown_url`` is what the failure log may hold; ``other_names``: file names under which it may be there already.
    """

    id: str
    url: str
    find: Callable[[Downloader, str], str] | None = None
    other_names: tuple[str, ...] = ()


@dataclass
class Tally:
    """What became of the pictures. ``reasons``: how many failures of each kind; ``gave_up``: why a run ended early."""

    wanted: int = 0
    fetched: int = 0
    present: int = 0
    skipped: int = 0
    failed: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    gave_up: str = ""
    reasons: Counter[str] = field(default_factory=Counter)


def fetch_pictures(
    wanted: Iterable[Wanted],
    folder: Path,
    downloader: Downloader,
    threads: int = 16,
    retry_failed: bool = False,
    advance: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Fetch what is not in the folder yet, as ``<id>.jpg`` or ``.png``; failures go to ``failures.csv`` there.

    What failed for good in an earlier run is skipped unless ``retry_failed``. ``advance`` is told after each picture.
    On an interruption, what is under way is cut off; what was fetched stays. Raises ``OSError`` if the folder cannot
    be written to and ``UnreadableFile`` if its failure log is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f".*{_PART}"):
        leftover.unlink(missing_ok=True)
    present = list_present(folder)
    tally = Tally()
    started_s = time.monotonic()
    with FailureLog(folder / FAILURES) as log:
        hopeless = set() if retry_failed else log.final_ids
        left = _leave_out(wanted, present, hopeless, tally, advance)
        fetched: set[str] = set()
        try:
            _run(left, folder, downloader, threads, log, tally, fetched, advance)
        finally:
            log.settle(present | fetched)
            tally.seconds = time.monotonic() - started_s
    return tally


def list_present(folder: Path) -> set[str]:
    """Names, without their endings, of the pictures in a folder; empty files are none."""
    with os.scandir(folder) as entries:
        return {
            Path(entry.name).stem
            for entry in entries
            if entry.name.endswith(SUFFIXES) and entry.is_file() and entry.stat().st_size
        }


def _leave_out(
    wanted: Iterable[Wanted],
    present: set[str],
    hopeless: set[str],
    tally: Tally,
    advance: Callable[[Tally], None],
) -> Iterator[Wanted]:
    seen: set[str] = set()
    for item in wanted:
        if item.id in seen:
            continue
        seen.add(item.id)
        tally.wanted += 1
        if item.id in present or any(name in present for name in item.other_names):
            tally.present += 1
        elif item.id in hopeless:
            tally.skipped += 1
        else:
            yield item
            continue
        advance(tally)


def _run(
    left: Iterator[Wanted],
    folder: Path,
    downloader: Downloader,
    threads: int,
    log: FailureLog,
    tally: Tally,
    fetched: set[str],
    advance: Callable[[Tally], None],
) -> None:
    in_a_row = 0
    running: dict[Future[int], Wanted] = {}
    with ThreadPoolExecutor(threads, thread_name_prefix="segue-fetch") as pool:
        try:
            while True:
                # A few more than there are threads, so that none waits; not all, which may be very many.
                if not tally.gave_up:
                    for item in islice(left, 2 * threads - len(running)):
                        running[pool.submit(_fetch_one, downloader, item, folder)] = item
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    item = running.pop(done)
                    try:
                        tally.size_bytes += done.result()
                    except FetchFailed as failure:
                        if not (tally.gave_up and failure.kind == "stopped"):
                            log.add(item.id, item.url, failure)
                            tally.failed += 1
                            tally.reasons[failure.kind] += 1
                        in_a_row = 0 if failure.is_final else in_a_row + 1
                        if failure.kind in ("pause", "key"):
                            tally.gave_up = tally.gave_up or str(failure)
                        elif in_a_row >= GIVE_UP_AFTER:
                            tally.gave_up = (
                                tally.gave_up or f"{in_a_row} failures in a row, the last: {failure}"
                            )
                        if tally.gave_up:
                            downloader.close()
                    else:
                        in_a_row = 0
                        tally.fetched += 1
                        fetched.add(item.id)
                    advance(tally)
        except BaseException:
            # Interrupted, or the disk is full: cut off what is under way, so that the pool ends at once.
            downloader.close()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _fetch_one(downloader: Downloader, item: Wanted, folder: Path) -> int:
    """Fetch and keep one picture; gives its size in bytes."""
    if not _SAFE_ID.fullmatch(item.id):
        raise FetchFailed("bad-id", "the id cannot be a file's name", is_final=True, attempts=0)
    url = item.url if item.find is None else item.find(downloader, item.url)
    reply = downloader.fetch(Request(url, PICTURE_TYPES, MOST_BYTES))
    try:
        suffix = check_picture(reply.body)
    except FetchFailed as failure:
        failure.attempts = reply.attempts
        raise
    part = folder / f".{item.id}{_PART}"
    part.write_bytes(reply.body)
    part.replace(folder / f"{item.id}{suffix}")
    return len(reply.body)
