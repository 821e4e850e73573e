"""``python -m indexer fetch spotify-tracks · tmdb-movies · movielens · public``: public data sets, whole."""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from indexer.commands import AddCommand
from indexer.commands.option_values import positive
from indexer.errors import FetchFailed, UnreadableFile
from indexer.fetching import data_sets
from indexer.fetching.transfer import TRANSFERRED, Patience

if TYPE_CHECKING:
    from indexer.fetching.data_sets import Licence, Record

_REVISION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")

#: What ``--size`` takes, as in ``movielens.EDITIONS``.
_SIZES: Final = ("small", "25m", "32m", "latest")


def add_to(source: AddCommand) -> None:
    """Add the data sets to ``fetch``."""
    tracks = source(
        data_sets.SPOTIFY_TRACKS,
        _spotify_tracks,
        "Fetch the Spotify Tracks data set (20 MB) from Hugging Face.",
    )
    tracks.add_argument(
        "--revision",
        type=_revision,
        help="a commit, branch or tag of the data set (the commit known to Segue)",
    )
    movies = source(
        data_sets.TMDB_MOVIES, _tmdb_movies, "Fetch the TMDb Movies data set (600 MB) from Kaggle."
    )
    movies.add_argument(
        "--version", type=positive, metavar="NUMBER", help="a version of the data set (the newest)"
    )
    ratings = source(
        data_sets.MOVIELENS, _movielens, "Fetch tags, ratings and links of MovieLens from GroupLens."
    )
    ratings.add_argument(
        "--size",
        choices=_SIZES,
        help="how much of it: 1, 262, 239 or 350 MB packed (32m; what is there already)",
    )
    public = source(
        "public",
        _public,
        "Fetch what build --preset public reads: films, songs and, if asked for, MovieLens.",
    )
    public.add_argument(
        "--movielens", action="store_true", help="people's tags and ratings too (239 MB, 951 MB unpacked)"
    )
    public.set_defaults(revision=None, version=None, size=None)
    for parser in (tracks, movies, ratings, public):
        parser.add_argument(
            "--into",
            type=Path,
            default=Path("data"),
            metavar="FOLDER",
            help="folder of data sets (%(default)s)",
        )
        parser.add_argument("--again", action="store_true", help="fetch it even if it is there already")


def _revision(text: str) -> str:
    if not _REVISION.fullmatch(text) or ".." in text:
        raise argparse.ArgumentTypeError("must be a commit, branch or tag")
    return text


def _spotify_tracks(options: argparse.Namespace) -> None:
    from indexer.fetching.spotify_tracks import LICENCE, REVISION, fetch_spotify_tracks

    home = options.into / data_sets.SPOTIFY_TRACKS
    record = _present(home, options)
    revision = options.revision or REVISION
    if record is not None and (options.revision is None or record.revision == revision):
        _say_present(home, record)
        return
    with _Fetch(home, LICENCE) as fetch:
        fetch.report(fetch_spotify_tracks(home, fetch.advance, revision, fetch.patience, kept=record))


def _tmdb_movies(options: argparse.Namespace) -> None:
    from indexer.fetching.tmdb_movies import LICENCE, fetch_tmdb_movies

    home = options.into / data_sets.TMDB_MOVIES
    record = _present(home, options)
    if record is not None and (options.version is None or record.revision == str(options.version)):
        _say_present(home, record)
        return
    with _Fetch(home, LICENCE) as fetch:
        fetch.report(fetch_tmdb_movies(home, fetch.advance, options.version, fetch.patience))


def _movielens(options: argparse.Namespace) -> None:
    from indexer.fetching.movielens import EDITIONS, LICENCE, fetch_movielens

    home = options.into / data_sets.MOVIELENS
    record = _present(home, options)
    edition = EDITIONS[options.size or "32m"]
    if record is not None and (options.size is None or record.revision.split()[0] == edition.name):
        _say_present(home, record)
        return
    with _Fetch(home, LICENCE) as fetch:
        fetch.report(fetch_movielens(home, fetch.advance, edition, fetch.patience))


def _public(options: argparse.Namespace) -> None:
    # What is there already is left alone, so the same call goes on after a failure.
    _spotify_tracks(options)
    _tmdb_movies(options)
    if options.movielens:
        _movielens(options)


def _present(home: Path, options: argparse.Namespace) -> Record | None:
    """The record of a data set that is there whole, unless it is to be fetched again."""
    if options.again or not (home / data_sets.RECORD).exists():
        return None
    try:
        return data_sets.read_whole(home)
    except UnreadableFile as error:
        sys.stderr.write(f"{error}\n")
        return None


def _say_present(home: Path, record: Record) -> None:
    _say(
        f"{home.name} is in {home} already: {record.revision}, fetched {record.fetched_at}; "
        "nothing was fetched (--again fetches it anew)"
    )


class _Fetch:
    """One fetch on a terminal: the licence first, a bar of bytes for each stage, what came of it last."""

    def __init__(self, home: Path, licence: Licence) -> None:
        self.patience = Patience(tell=self._tell)
        self._home = home
        self._licence = licence
        self._came_bytes = 0
        self._started_s = time.monotonic()
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> _Fetch:
        sys.stderr.write(f"{self._licence.notice}\n\n")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._close()
        if isinstance(error, FetchFailed) and not error.is_final:
            hint = "run the same again to go on where this ended"
            raise FetchFailed(error.kind, f"{error.detail}; {hint}", attempts=error.attempts) from error

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, stage: str, done_bytes: int, total_bytes: int | None) -> None:
        if stage != self._stage:
            from tqdm import tqdm

            self._close()
            self._stage = stage
            self._bar = tqdm(
                total=total_bytes,
                initial=done_bytes,
                desc=f"{self._home.name}, {stage}",
                unit="B",
                unit_scale=True,
                mininterval=0.5,
            )
        self._bar.total = total_bytes
        # Less than before: the host had to be asked for all of it again.
        new_bytes = done_bytes - self._bar.n
        self._bar.update(new_bytes)
        if stage == TRANSFERRED:
            self._came_bytes += max(new_bytes, 0)

    def report(self, record: Record) -> None:
        self._close()
        if not self._stage:
            _say_present(self._home, record)
            return
        seconds = time.monotonic() - self._started_s
        sizes = ", ".join(f"{name} {facts.size_bytes / 1e6:,.1f} MB" for name, facts in record.files.items())
        _say(f"{record.dataset} is in {self._home}: {sizes}")
        _say(
            f"{record.revision}; {self._came_bytes / 1e6:,.1f} MB came in {seconds:.1f} s; "
            f"licence: {record.licence}, see {self._home / data_sets.LICENCE}"
        )

    def _tell(self, line: str) -> None:
        from tqdm import tqdm

        tqdm.write(f"{self._home.name}: {line}", file=sys.stderr)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
