"""Where posters and covers are to be had, and which hosts each source may be asked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlencode

from indexer.errors import FetchFailed
from indexer.fetching.download import Downloader
from indexer.fetching.film_sources import OMDB_API, ask_omdb
from indexer.fetching.json_values import fetch_json, text_of
from indexer.fetching.pictures import Wanted

TMDB_PICTURES: Final = "https://image.tmdb.org"
SPOTIFY: Final = "https://open.spotify.com"

#: TMDb makes posters in these widths, in pixels.
POSTER_WIDTHS: Final = ("w92", "w154", "w185", "w342", "w500", "w780", "original")

#: OMDb's posters lie at Amazon's picture host.
POSTER_ORIGINS: Final = frozenset({TMDB_PICTURES, OMDB_API, "https://m.media-amazon.com"})

#: Spotify's covers lie at several hosts.
COVER_ORIGINS: Final = frozenset(
    {
        SPOTIFY,
        "https://i.scdn.co",
        "https://mosaic.scdn.co",
        "https://image-cdn-ak.spotifycdn.com",
        "https://image-cdn-fa.spotifycdn.com",
    }
)

_POSTER_PATH = re.compile(r"/[A-Za-z0-9_-]+\.(jpg|jpeg|png)", re.IGNORECASE)
_IMDB_ID = re.compile(r"tt[0-9]{1,12}")
_SPOTIFY_ID = re.compile(r"[A-Za-z0-9]{22}")


def tmdb_posters(
    films: Iterable[tuple[str, str, str]],
    width: str = "w342",
    omdb_key: str | None = None,
    origin: str = TMDB_PICTURES,
    omdb_origin: str = OMDB_API,
) -> Iterator[Wanted]:
    """Posters of films (TMDb id, poster path, IMDb id; empty where unknown), by TMDb's path without a key.

    With a key, films without a path are asked for at OMDb. Those that neither can find are left out.
    """
    for id, path, imdb_id in films:
        names = (imdb_id,) if imdb_id else ()
        if _POSTER_PATH.fullmatch(path):
            yield Wanted(id, f"{origin}/t/p/{width}{path}", other_names=names)
        elif omdb_key is not None and _IMDB_ID.fullmatch(imdb_id):
            yield _omdb_poster(id, imdb_id, omdb_key, omdb_origin)


def omdb_posters(films: Iterable[tuple[str, str, str]], key: str, origin: str = OMDB_API) -> Iterator[Wanted]:
    """Posters of films (TMDb id, poster path, IMDb id) that have an IMDb id, all by OMDb with a key."""
    for id, _path, imdb_id in films:
        if _IMDB_ID.fullmatch(imdb_id):
            yield _omdb_poster(id, imdb_id, key, origin)


def _omdb_poster(id: str, imdb_id: str, key: str, origin: str) -> Wanted:
    return Wanted(id, f"{origin}/?i={imdb_id}", _ask_omdb(imdb_id, key, origin), (imdb_id,))


def _ask_omdb(imdb_id: str, key: str, origin: str) -> Callable[[Downloader, str], str]:
    # The URL for the failure log is without the key.
    def find(downloader: Downloader, _url: str) -> str:
        film = ask_omdb(downloader, {"i": imdb_id}, key, origin)
        return _text_of(film, "Poster", "OMDb has no poster")

    return find


def spotify_covers(tracks: Iterable[tuple[str, str]], origin: str = SPOTIFY) -> Iterator[Wanted]:
    """Covers of songs (id, cover URL or empty): by the URL where there is one, else by Spotify's oEmbed.

    Songs with neither a URL nor an id of Spotify's form are left out.
    """
    for id, url in tracks:
        if url:
            yield Wanted(id, url)
        elif _SPOTIFY_ID.fullmatch(id):
            asked = urlencode({"url": f"{SPOTIFY}/track/{id}"})
            yield Wanted(id, f"{origin}/oembed?{asked}", _ask_oembed)


def _ask_oembed(downloader: Downloader, url: str) -> str:
    return _text_of(fetch_json(downloader, url), "thumbnail_url", "Spotify names no cover")


def _text_of(reply: dict[str, Any], field: str, lacking: str) -> str:
    value = text_of(reply.get(field))
    if value is None:
        raise FetchFailed("not-found", lacking, is_final=True)
    return value
