"""Songs looked up at Spotify, through spotipy."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

from indexer.catalogue.records import Track
from indexer.errors import FetchFailed, MissingLibrary
from indexer.fetching.download import Downloader, Request
from indexer.fetching.json_values import (
    JSON_TYPES,
    MOST_JSON_BYTES,
    is_artist_like,
    is_title_like,
    list_of,
    names_of,
    number_of,
    text_of,
    title_likeness,
    year_of,
)
from indexer.fetching.replies import plain
from indexer.fetching.wish import Wish

if TYPE_CHECKING:
    from requests import Session

SPOTIFY_API: Final = "https://api.spotify.com"
SPOTIFY_ACCOUNTS: Final = "https://accounts.spotify.com"

#: What is a reply rather than a failure of the way to it; spotipy knows what each means.
_REPLIES: Final = frozenset({200, 400, 401, 403, 404})

_ID = re.compile(r"[A-Za-z0-9]{22}")
_HITS: Final = 10

#: What stands behind a title: " - Remastered 2011", " (feat. …)".
_AFTER_TITLE = re.compile(r"\s+(?:-\s|[(\[]).*")


class SpotifySongs:
    """Songs of Spotify's Web API by an application's id and secret: metadata, no audio features.

    spotipy speaks to the API; its requests go through ``downloader``, for the limits that spotipy does not have.
    Raises ``MissingLibrary`` where spotipy is not installed.
    """

    name = "Spotify"

    def __init__(
        self,
        downloader: Downloader,
        client_id: str,
        client_secret: str,
        origin: str = SPOTIFY_API,
        accounts_origin: str = SPOTIFY_ACCOUNTS,
    ) -> None:
        try:
            import spotipy
        except ImportError as error:
            raise MissingLibrary(
                "Spotify needs spotipy: python -m pip install -r requirements.txt"
            ) from error
        session = _guarded_session(downloader)
        # In memory: spotipy would otherwise keep the token in a file of the folder it was started in.
        kept = spotipy.cache_handler.MemoryCacheHandler()
        credentials = spotipy.SpotifyClientCredentials(
            client_id, client_secret, requests_session=session, cache_handler=kept
        )
        credentials.OAUTH_TOKEN_URL = f"{accounts_origin}/api/token"
        self._client = spotipy.Spotify(auth_manager=credentials, requests_session=session)
        self._client.prefix = f"{origin}/v1/"

    def by_id(self, id: str) -> Track | None:
        """A song by its Spotify id; raises ``FetchFailed``."""
        return _read_track(self._call("track", id)) if _ID.fullmatch(id) else None

    def by_title(self, wish: Wish) -> Track | None:
        """The hit whose title and artist are most like those asked for, if any is like them."""
        words = [f'track:"{_unquote(wish.title)}"']
        if wish.artist is not None:
            words.append(f'artist:"{_unquote(wish.artist)}"')
        if wish.year is not None:
            words.append(f"year:{wish.year}")
        reply = self._call("search", q=" ".join(words), type="track", limit=_HITS)
        found = reply.get("tracks")
        tracks = [
            _read_track(hit) for hit in list_of(found.get("items") if isinstance(found, dict) else None)
        ]
        fitting = [
            track
            for track in tracks
            if track is not None
            and is_title_like(wish.title, [track.title, _AFTER_TITLE.sub("", track.title)])
            and is_artist_like(wish.artist, track.artists)
        ]
        return max(fitting, key=lambda track: title_likeness(wish.title, track.title), default=None)

    def _call(self, method: str, *parts: str, **options: Any) -> dict[str, Any]:
        import spotipy

        try:
            reply = getattr(self._client, method)(*parts, **options)
        except spotipy.SpotifyOauthError as error:
            raise FetchFailed("key", f"Spotify refuses the application ({plain(str(error))})") from None
        except spotipy.SpotifyException as error:
            if error.http_status == 404:
                return {}
            if error.http_status in (401, 403):
                raise FetchFailed("key", f"Spotify answered {error.http_status}") from None
            raise FetchFailed(f"status-{error.http_status}", plain(str(error.msg)), is_final=True) from None
        if not isinstance(reply, dict):
            raise FetchFailed("bad-reply", "the reply is no JSON object")
        return reply


def _unquote(text: str) -> str:
    return text.replace('"', " ")[:200]


def _guarded_session(downloader: Downloader) -> Session:
    """A session of requests that has no way to the net but ``downloader``, and reads nothing of the environment."""
    import requests

    class Adapter(requests.adapters.BaseAdapter):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            body = request.body.encode() if isinstance(request.body, str) else request.body
            if body is not None and not isinstance(body, bytes):
                raise TypeError("only text and bytes are sent")
            asked = Request(
                request.url or "",
                JSON_TYPES,
                MOST_JSON_BYTES,
                method=request.method or "GET",
                headers={
                    name: value
                    for name, value in request.headers.items()
                    if name.lower() in ("authorization", "content-type")
                },
                body=body,
                statuses=_REPLIES,
            )
            reply = downloader.fetch(asked)
            response = requests.Response()
            response.status_code = reply.status
            response.headers["Content-Type"] = reply.content_type
            response.raw = io.BytesIO(reply.body)
            response.url = reply.url
            response.request = request
            response.encoding = "utf-8"
            return response

        def close(self) -> None:
            """Connections are the downloader's."""

    session = requests.Session()
    session.trust_env = False
    session.adapters.clear()
    for scheme in ("https://", "http://"):
        session.mount(scheme, Adapter())
    return session


def _read_track(track: dict[str, Any]) -> Track | None:
    id, title = text_of(track.get("id")), text_of(track.get("name"))
    if id is None or title is None:
        return None
    album = track.get("album")
    album = album if isinstance(album, dict) else {}
    explicit = track.get("explicit")
    duration_ms = number_of(track.get("duration_ms"))
    return Track(
        id=id,
        title=title,
        artists=names_of(track.get("artists")),
        album=text_of(album.get("name")),
        year=year_of(album.get("release_date")),
        popularity=number_of(track.get("popularity"), low=-1.0),
        duration_ms=None if duration_ms is None else int(duration_ms),
        explicit=explicit if isinstance(explicit, bool) else None,
    )
