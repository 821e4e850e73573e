"""People's tags and ratings of films, from GroupLens' MovieLens data sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from indexer.errors import FetchFailed
from indexer.fetching import data_sets
from indexer.fetching.addresses import HostPolicy
from indexer.fetching.archives import unpack
from indexer.fetching.data_sets import Licence, Record
from indexer.fetching.download import Downloader, Limits, Request
from indexer.fetching.transfer import Advance, Line, Patience, Wanted, part_of, place_of, transfer, try_again

ORIGIN: Final = "https://files.grouplens.org"
FILES: Final = data_sets.FILES[data_sets.MOVIELENS]

LICENCE: Final = Licence(
    "GroupLens usage licence (research)",
    """MovieLens, by GroupLens Research, University of Minnesota: https://grouplens.org/datasets/movielens/
Tags and ratings that users of MovieLens gave films, and the films' ids at IMDb and TMDB.
GroupLens' own licence, in the README of each size: use for research; name the data set in what you publish (F. M.
Harper and J. A. Konstan, 2015, https://doi.org/10.1145/2827872); do not suggest that the university endorses you;
pass it on under these terms only, or, for older sizes, with permission only; ask before any commercial use. No
warranty. Segue does not pass the data on.""",
)


@dataclass(frozen=True, slots=True)
class Edition:
    """A size: the zip's name and what is known of it; ``md5`` None where the host changes it from time to time."""

    name: str
    zip_bytes: int
    unpacked_bytes: int
    md5: str | None = None


#: Sizes of the zips and checksums are GroupLens'; unpacked are tags, ratings and links.
EDITIONS: Final[Mapping[str, Edition]] = {
    "small": Edition("ml-latest-small", 1_000_000, 3_000_000),
    "25m": Edition("ml-25m", 261_978_986, 720_000_000, "6b51fb2759a8657d3bfcbfc42b592ada"),
    "32m": Edition("ml-32m", 238_950_008, 950_000_000, "d472be332d4daa821edc399621853b57"),
    "latest": Edition("ml-latest", 350_000_000, 980_000_000),
}

#: So much is asked for at a time; the downloader holds it in memory and sees to its time.
PIECE_BYTES: Final = 4 * 1024 * 1024

_MOST_ZIP_BYTES: Final = 2_000_000_000
_MOST_BYTES: Final = 8_000_000_000
#: Gives a piece of the file: where it begins, the size of the whole, and its bytes.
_Ask = Callable[[int], tuple[int, int | None, bytes]]

_MD5: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def fetch_movielens(
    home: Path,
    advance: Advance,
    edition: Edition,
    patience: Patience | None = None,
    policy: HostPolicy | None = None,
    origin: str = ORIGIN,
) -> Record:
    """Fetch tags, ratings and links into the data set's folder; the zip's MD5 is checked, each file's CRC-32 too.

    Raises ``FetchFailed``, and ``OSError`` where the folder cannot be written to.
    """
    patience = patience or Patience()
    # One attempt at a time: the transfer counts them, and knows whether something came.
    limits = Limits(
        attempts=1,
        connect_s=patience.connect_s,
        read_s=patience.read_s,
        whole_s=2 * patience.slow_s,
        pause_most_s=patience.pause_most_s,
    )
    address = f"{origin}/datasets/movielens/{edition.name}.zip"
    with (
        data_sets.at_work(home) as work,
        Downloader(policy or HostPolicy(frozenset({origin})), limits) as downloader,
    ):
        md5 = edition.md5 or try_again(lambda: _ask_md5(downloader, address), patience)
        part = part_of(work, f"{edition.name}-{md5}")

        @contextmanager
        def open_line(start_byte: int) -> Iterator[Line]:
            yield _open(downloader, address, start_byte)

        transfer(open_line, part, Wanted(_MOST_ZIP_BYTES, edition.unpacked_bytes), patience, advance)
        if data_sets.file_digest(part, "md5") != md5:
            part.unlink()
            raise FetchFailed(
                "checksum",
                f"{edition.name}.zip has not the MD5 that is published; fetched bytes are thrown away",
            )
        ready = {name: work / name for name in FILES}
        unpack(part, ready, _MOST_BYTES, advance)
        return data_sets.keep(home, ready, address, f"{edition.name} {md5}", LICENCE)


def _ask_md5(downloader: Downloader, address: str) -> str:
    reply = downloader.fetch(Request(f"{address}.md5", frozenset(), 10_000))
    found = _MD5.search(reply.body.decode("ascii", "replace").lower())
    if found is None:
        raise FetchFailed("checksum", f"{address}.md5 holds no MD5", is_final=True)
    return found[0]


def _open(downloader: Downloader, address: str, start_byte: int) -> Line:
    """A line of pieces; the first is fetched at once, for what it says of the whole."""

    def ask(at_byte: int) -> tuple[int, int | None, bytes]:
        asked = {"Range": f"bytes={at_byte}-{at_byte + PIECE_BYTES - 1}"}
        statuses = frozenset({200, 206, 416})
        reply = downloader.fetch(Request(address, frozenset(), PIECE_BYTES, headers=asked, statuses=statuses))
        headers = {"content-range": reply.content_range, "content-length": str(len(reply.body))}
        return *place_of(reply.status, headers, at_byte), b"" if reply.status == 416 else reply.body

    start_byte, total_bytes, first = ask(start_byte)
    if total_bytes is None:
        raise FetchFailed("range", f"{address}: the host does not say how large the file is", is_final=True)
    return Line(start_byte, total_bytes, _pieces(ask, start_byte, total_bytes, first))


def _pieces(ask: _Ask, start_byte: int, total_bytes: int, piece: bytes) -> Iterator[bytes]:
    at_byte = start_byte
    while piece:
        yield piece
        at_byte += len(piece)
        if at_byte >= total_bytes:
            return
        _, now_bytes, piece = ask(at_byte)
        if now_bytes != total_bytes:
            raise FetchFailed("range", f"the file at the host grew or shrank to {now_bytes} bytes")
