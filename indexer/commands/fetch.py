"""``python -m indexer fetch posters · covers · movielens · …``: what comes from the net, from named hosts only."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.commands import AddCommand, fetch_data, fetch_lyrics
from indexer.commands.option_values import positive, seconds
from indexer.errors import ConfigError, FetchFailed

if TYPE_CHECKING:
    from indexer.catalogue.records import Movie, Track
    from indexer.fetching.metadata import MetadataSource
    from indexer.fetching.pictures import Tally, Wanted

#: Widths in which TMDb makes posters, in pixels.
_WIDTHS = ("w92", "w154", "w185", "w342", "w500", "w780", "original")

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")

#: Sources with a module of their own, as listed by ``fetch --help``; each adds its subcommand like a command.
_MORE_SOURCES: tuple[Callable[[AddCommand], None], ...] = (fetch_lyrics.add_to, fetch_data.add_to)


def add_to(command: AddCommand) -> None:
    """Add ``fetch`` with one subcommand for each thing that can be fetched."""
    parser = command("fetch", _run, "Fetch data sets, posters, covers and the like from the net, resumable.")
    sources = parser.add_subparsers(required=True, metavar="WHAT")

    def source(name: str, run: Callable[[argparse.Namespace], None], about: str) -> argparse.ArgumentParser:
        sub = sources.add_parser(name, help=about, description=about)
        sub.add_argument(
            "--indexes", type=Path, default=argparse.SUPPRESS, help="folder of index versions (indexes)"
        )
        sub.set_defaults(fetch=run)
        return sub

    posters = source("posters", _posters, "Fetch film posters: from TMDb without a key, from OMDb with one.")
    posters.add_argument(
        "--movies", type=Path, help="films in the TMDb layout (default: those of the served version)"
    )
    posters.add_argument(
        "--source", choices=("tmdb", "omdb"), default="tmdb", help="where to ask first (%(default)s)"
    )
    posters.add_argument(
        "--key-file",
        type=Path,
        help="file with a line SEGUE_OMDB_KEY=…: films that have no path at TMDb are asked for at OMDb",
    )
    posters.add_argument("--width", choices=_WIDTHS, default="w342", help="TMDb's widths (%(default)s)")
    _add_picture_options(posters, Path("pictures/posters"))
    covers = source("covers", _covers, "Fetch covers: by a column of addresses, else from Spotify's oEmbed.")
    covers.add_argument(
        "--tracks", type=Path, help="songs in the Spotify layout (default: those of the served version)"
    )
    covers.add_argument(
        "--url-column", help="column of --tracks with covers' addresses (cover_url, where there is one)"
    )
    _add_picture_options(covers, Path("pictures/covers"))
    song = source("song", _song, "Look one song up at Spotify and print its record as JSON.")
    song.add_argument("--artist", help="one of its artists")
    film = source("film", _film, "Look one film up at TMDb or OMDb and print its record as JSON.")
    for look_up, id_kind in ((song, "Spotify id"), (film, "TMDb or IMDb id")):
        look_up.add_argument("title", nargs="?", help="its title")
        look_up.add_argument("--year", type=positive, help="the year it came out")
        look_up.add_argument("--id", help=f"its {id_kind}, instead of a title")
        look_up.add_argument(
            "--key-file", type=Path, required=True, help="file of NAME=key lines; see docs/fetching.md"
        )
    for add_source in _MORE_SOURCES:
        add_source(source)


def _add_picture_options(parser: argparse.ArgumentParser, folder: Path) -> None:
    parser.add_argument("--to", type=Path, default=folder, metavar="FOLDER", help="where to (%(default)s)")
    parser.add_argument("--limit", type=positive, help="fetch at most so many (all)")
    parser.add_argument("--threads", type=positive, default=16, help="at a time (%(default)s)")
    parser.add_argument("--attempts", type=positive, default=3, help="for each (%(default)s)")
    parser.add_argument(
        "--timeout", type=seconds, default=30.0, metavar="SECONDS", help="for one attempt (%(default)s)"
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="try again what failed for good in an earlier run"
    )
    parser.add_argument(
        "--allow-host",
        type=_host,
        action="append",
        default=[],
        metavar="HOST",
        help="a further host that pictures may come from, by https and at a public address",
    )


def _host(text: str) -> str:
    host = text.lower()
    if not _HOST.fullmatch(host):
        raise argparse.ArgumentTypeError("must be a host's name, such as pictures.example.org")
    return host


def _run(options: argparse.Namespace) -> None:
    options.fetch(options)


def _posters(options: argparse.Namespace) -> None:
    from indexer.commands.picture_items import read_films, served_films
    from indexer.fetching.keys import read_keys
    from indexer.fetching.picture_sources import POSTER_ORIGINS, omdb_posters, tmdb_posters

    key = None if options.key_file is None else read_keys(options.key_file).omdb_key
    if key is None and (options.source == "omdb" or options.key_file is not None):
        raise ConfigError("OMDb needs --key-file FILE with a line SEGUE_OMDB_KEY=…")
    films = read_films(options.movies) if options.movies is not None else served_films(options.indexes)
    if options.source == "omdb" and key is not None:
        wanted = list(omdb_posters(films, key))
    else:
        wanted = list(tmdb_posters(films, options.width, key))
    _fetch(options, "posters", wanted, len(films), POSTER_ORIGINS)


def _covers(options: argparse.Namespace) -> None:
    from indexer.commands.picture_items import read_songs, served_songs
    from indexer.fetching.picture_sources import COVER_ORIGINS, spotify_covers

    if options.tracks is not None:
        songs = read_songs(options.tracks, options.url_column)
    else:
        songs = served_songs(options.indexes)
    _fetch(options, "covers", list(spotify_covers(songs)), len(songs), COVER_ORIGINS)


def _song(options: argparse.Namespace) -> None:
    from indexer.fetching.keys import read_keys
    from indexer.fetching.metadata import Metadata

    with Metadata(read_keys(options.key_file)) as metadata:
        _look_up(options, metadata.songs, "SEGUE_SPOTIFY_CLIENT_ID and SEGUE_SPOTIFY_CLIENT_SECRET")


def _film(options: argparse.Namespace) -> None:
    from indexer.fetching.keys import read_keys
    from indexer.fetching.metadata import Metadata

    with Metadata(read_keys(options.key_file)) as metadata:
        _look_up(options, metadata.films, "SEGUE_TMDB_KEY or SEGUE_OMDB_KEY")


def _look_up(
    options: argparse.Namespace, sources: Sequence[MetadataSource[Movie | Track]], needed: str
) -> None:
    """Print what the first source that knows the item says of it, without what it does not."""
    from indexer.fetching.wish import Wish

    if (options.id is None) == (options.title is None):
        raise ConfigError("give either a title or --id")
    if not sources:
        raise ConfigError(f"{options.key_file}: has no {needed}")
    wish = Wish(options.title or "", getattr(options, "artist", None), options.year)
    for source in sources:
        found = source.by_title(wish) if options.id is None else source.by_id(options.id)
        if found is not None:
            known = {name: value for name, value in asdict(found).items() if value not in (None, ())}
            _say(json.dumps({"source": source.name, **known}, ensure_ascii=False, indent=2))
            return
    raise FetchFailed("not-found", f"unknown to {' and '.join(source.name for source in sources)}")


def _fetch(
    options: argparse.Namespace, what: str, wanted: list[Wanted], known: int, origins: frozenset[str]
) -> None:
    from tqdm import tqdm

    from indexer.fetching.addresses import HostPolicy
    from indexer.fetching.download import Downloader, Limits
    from indexer.fetching.pictures import FAILURES, fetch_pictures

    if len(wanted) < known:
        _say(f"{known - len(wanted):,} of {known:,} have no address to ask at")
    wanted = wanted[: options.limit]
    limits = Limits(
        attempts=options.attempts, whole_s=options.timeout, read_s=min(Limits().read_s, options.timeout)
    )
    policy = HostPolicy(origins | {f"https://{host}" for host in options.allow_host})
    with (
        Downloader(policy, limits) as downloader,
        tqdm(total=len(wanted), desc=what, unit="picture", mininterval=0.5) as bar,
    ):

        def advance(tally: Tally) -> None:
            bar.set_postfix_str(f"{tally.failed:,} failed", refresh=False)
            bar.update(tally.fetched + tally.present + tally.skipped + tally.failed - bar.n)

        tally = fetch_pictures(wanted, options.to, downloader, options.threads, options.retry_failed, advance)
    _report(tally, options.to / FAILURES)


def _report(tally: Tally, log: Path) -> None:
    rate = tally.fetched / tally.seconds if tally.seconds else 0.0
    _say(
        f"{tally.fetched:,} fetched ({tally.size_bytes / 1e6:.1f} MB, {rate:.0f} a second), "
        f"{tally.present:,} were there, {tally.skipped:,} skipped as hopeless, {tally.failed:,} failed"
    )
    if tally.failed:
        reasons = ", ".join(f"{count:,} {kind}" for kind, count in tally.reasons.most_common())
        _say(f"failures are in {log}: {reasons}")
    if tally.gave_up:
        raise FetchFailed("gave-up", f"{tally.gave_up}; run the same again to go on where this ended")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
