"""``python -m indexer fetch lyrics``: lyrics from Genius, with a key of one's own, into a folder of one's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from indexer import index_folder
from indexer.commands import AddCommand
from indexer.commands.option_values import positive, seconds
from indexer.errors import FetchFailed

if TYPE_CHECKING:
    from indexer.fetching.genius import LyricsTally, Song


def add_to(source: AddCommand) -> None:
    """Add ``lyrics`` to ``fetch``."""
    lyrics = source(
        "lyrics", _lyrics, "Fetch lyrics from Genius, with a key; for your own use under its terms."
    )
    lyrics.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where to: no repository and no index version",
    )
    lyrics.add_argument(
        "--genius-key-file", type=Path, required=True, help="file with a client access token of Genius' API"
    )
    lyrics.add_argument(
        "--tracks", type=Path, help="songs in the Spotify layout (default: those of the served version)"
    )
    lyrics.add_argument("--limit", type=positive, help="ask for at most so many (all)")
    lyrics.add_argument("--attempts", type=positive, default=3, help="for each page (%(default)s)")
    lyrics.add_argument(
        "--timeout", type=seconds, default=20.0, metavar="SECONDS", help="for one attempt (%(default)s)"
    )
    lyrics.add_argument(
        "--pause", type=seconds, default=1.0, metavar="SECONDS", help="between songs (%(default)s)"
    )
    lyrics.add_argument(
        "--retry-failed", action="store_true", help="try again what failed for good in an earlier run"
    )


def _lyrics(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from indexer.fetching.addresses import HostPolicy
    from indexer.fetching.download import Downloader, Limits
    from indexer.fetching.genius import FAILURES, ORIGINS, TERMS, GeniusLyrics, fetch_lyrics, refuse_folder
    from indexer.fetching.keys import read_key

    refuse_folder(options.to)
    key = read_key(options.genius_key_file)
    songs = _read_songs(options)[: options.limit]
    sys.stderr.write(f"{TERMS}\n")
    limits = Limits(
        attempts=options.attempts, whole_s=options.timeout, read_s=min(Limits().read_s, options.timeout)
    )
    with (
        Downloader(HostPolicy(ORIGINS), limits) as downloader,
        tqdm(total=len(songs), desc="lyrics", unit="song", mininterval=0.5) as bar,
    ):

        def advance(tally: LyricsTally) -> None:
            bar.set_postfix_str(f"{tally.failed:,} failed", refresh=False)
            bar.update(tally.done - bar.n)

        source = GeniusLyrics(downloader, key)
        tally = fetch_lyrics(songs, options.to, source, options.pause, options.retry_failed, advance)
    _report(tally, options.to / FAILURES)


def _read_songs(options: argparse.Namespace) -> list[Song]:
    from indexer.fetching.genius import Song

    if options.tracks is not None:
        from indexer.catalogue.records import split_cell
        from indexer.catalogue.spotify import read_tracks

        table, _ = read_tracks(options.tracks, "default")
        cells = zip(table["id"], table["title"], table["artists"], strict=True)
        return [Song(str(id), str(title), tuple(split_cell(artists))) for id, title, artists in cells]
    from indexer import index_version as versions
    from indexer.catalogue_store import CatalogueStore

    store = CatalogueStore.open(
        options.indexes / index_folder.current_name(options.indexes) / versions.CATALOGUE
    )
    try:
        return [
            Song(song.id, song.title, song.artists) for song in store.tracks(range(store.count("tracks")))
        ]
    finally:
        store.close()


def _report(tally: LyricsTally, log: Path) -> None:
    sys.stdout.write(
        f"{tally.fetched:,} fetched, {tally.present:,} were there, {tally.skipped:,} skipped as hopeless, "
        f"{tally.failed:,} failed\n"
    )
    if tally.failed:
        reasons = ", ".join(f"{count:,} {kind}" for kind, count in tally.reasons.most_common())
        sys.stdout.write(f"failures are in {log}: {reasons}\n")
    if tally.gave_up:
        raise FetchFailed("gave-up", f"{tally.gave_up}; run the same again to go on where this ended")
