"""The TMDb Movies data set from Kaggle, at a version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from indexer.errors import FetchFailed, UnreadableFile
from indexer.fetching import data_sets
from indexer.fetching.archives import unpack
from indexer.fetching.data_sets import Licence, Record
from indexer.fetching.kaggle import KaggleFile
from indexer.fetching.transfer import (
    Advance,
    Line,
    Patience,
    Wanted,
    part_of,
    transfer,
    try_again,
)

OWNER: Final = "asaniczka"
SLUG: Final = "tmdb-movies-dataset-2023-930k-movies"
PAGE: Final = f"https://www.kaggle.com/datasets/{OWNER}/{SLUG}"
FILE: Final = data_sets.FILES[data_sets.TMDB_MOVIES][0]

LICENCE: Final = Licence(
    "ODC-By 1.0",
    f"""Full TMDB Movies Dataset, by asaniczka on Kaggle: {PAGE}
About 1.1 million films, gathered daily from the API of TMDB, The Movie Database (https://www.themoviedb.org).
Open Data Commons Attribution License 1.0 (https://opendatacommons.org/licenses/by/1-0/): share, change and use them
with the source named. Overviews, taglines and pictures are other people's work, and TMDB's own terms
(https://www.themoviedb.org/api-terms-of-use) ask to be named as the source, without any endorsement by TMDB, and for
an agreement where money is made with them. Segue does not pass the data on.""",
)

#: Several times what the table has: about 600 MB.
_MOST_BYTES: Final = 4_000_000_000
_USUAL_BYTES: Final = 600_000_000


def fetch_tmdb_movies(
    home: Path, advance: Advance, version: int | None = None, patience: Patience | None = None
) -> Record:
    """Fetch the table into the data set's folder; ``version``: the newest if None.

    Checked: the MD5 that Kaggle's store names, the CRC-32 where it comes as a zip, and, for a version that was fetched
    before, what was recorded then. Raises ``FetchFailed``, ``MissingLibrary`` where kagglehub is not installed,
    ``OSError`` where the folder cannot be written to.
    """
    patience = patience or Patience()
    known = _recorded(home)
    with data_sets.at_work(home) as work, closing(KaggleFile(OWNER, SLUG, FILE, patience)) as kaggle:
        chosen = version or try_again(kaggle.newest_version, patience)
        part = part_of(work, f"version-{chosen}")

        @contextmanager
        def open_line(start_byte: int) -> Iterator[Line]:
            with kaggle.open(chosen, start_byte) as line:
                yield line

        transfer(open_line, part, Wanted(_MOST_BYTES, _USUAL_BYTES), patience, advance)
        if kaggle.md5 is not None and data_sets.file_digest(part, "md5") != kaggle.md5:
            part.unlink()
            raise FetchFailed(
                "checksum", f"{FILE} is not what Kaggle says it is; fetched bytes are thrown away"
            )
        table = _take_table(part, work / FILE, advance)
        if not _has_columns(table):
            table.unlink()
            part.unlink(missing_ok=True)
            raise FetchFailed(
                "reply", f"what came is no table of films, and is thrown away: is {PAGE} there?"
            )
        digest = data_sets.file_digest(table, "sha256")
        if known is not None and known.revision == str(chosen) and known.files[FILE].sha256 != digest:
            table.unlink()
            part.unlink(missing_ok=True)
            raise FetchFailed(
                "checksum", f"version {chosen} is not what it was on {known.fetched_at[:10]}", is_final=True
            )
        return data_sets.keep(home, {FILE: table}, PAGE, str(chosen), LICENCE)


def _take_table(part: Path, table: Path, advance: Advance) -> Path:
    """Kaggle packs tables beyond some size, without being asked."""
    with part.open("rb") as stream:
        is_zip = stream.read(4) == b"PK\x03\x04"
    if not is_zip:
        return part
    try:
        unpack(part, {FILE: table}, _MOST_BYTES, advance)
    except FetchFailed as failure:
        if failure.kind == "archive":
            part.unlink()
        raise
    return table


def _has_columns(table: Path) -> bool:
    """Tell a table from a page that a network puts in its place."""
    with table.open("rb") as stream:
        columns = stream.readline(10_000).strip().removeprefix(b"\xef\xbb\xbf").split(b",")
    return {b"id", b"title"} <= set(columns)


def _recorded(home: Path) -> Record | None:
    try:
        return data_sets.read_record(home)
    except UnreadableFile:
        return None
