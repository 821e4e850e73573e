"""Films looked up at TMDb and at OMDb."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote, urlencode

from indexer.catalogue.records import Movie
from indexer.errors import FetchFailed
from indexer.fetching.download import Downloader
from indexer.fetching.json_values import (
    fetch_json,
    is_title_like,
    list_of,
    names_of,
    number_of,
    parts_of,
    text_of,
    year_of,
)
from indexer.fetching.wish import Wish

TMDB_API: Final = "https://api.themoviedb.org"
OMDB_API: Final = "https://www.omdbapi.com"

_IMDB_ID = re.compile(r"tt[0-9]{1,12}")
_TMDB_ID = re.compile(r"[0-9]{1,12}")

#: How many hits of a search are looked at, and by how many years a film may be off, as release dates differ.
_HITS = 5
_YEARS_OFF = 1


class TmdbFilms:
    """Films of TMDb, with a key of version 3 or a token of version 4."""

    name = "TMDb"

    def __init__(self, downloader: Downloader, key: str, origin: str = TMDB_API) -> None:
        self._downloader = downloader
        self._key = key
        self._origin = origin

    def by_id(self, id: str) -> Movie | None:
        """A film by its TMDb or IMDb id; raises ``FetchFailed``."""
        if _IMDB_ID.fullmatch(id):
            found = list_of(self._ask(f"/3/find/{id}", external_source="imdb_id").get("movie_results"))
            id = str(found[0].get("id", "")) if found else ""
        if not _TMDB_ID.fullmatch(id):
            return None
        film = self._ask(f"/3/movie/{id}", append_to_response="keywords")
        return _read_tmdb(film) if text_of(film.get("title")) else None

    def by_title(self, wish: Wish) -> Movie | None:
        """The first hit with such a title and year."""
        year = {} if wish.year is None else {"year": str(wish.year)}
        hits = list_of(self._ask("/3/search/movie", query=wish.title, **year).get("results"))
        for hit in hits[:_HITS]:
            names = [text_of(hit.get("title")), text_of(hit.get("original_title"))]
            if is_title_like(wish.title, names) and _is_near(wish.year, year_of(hit.get("release_date"))):
                return self.by_id(str(hit.get("id", "")))
        return None

    def _ask(self, path: str, **query: str) -> dict[str, Any]:
        # A token has three parts, a key of version 3 has none.
        headers = {"Authorization": f"Bearer {self._key}"} if "." in self._key else {}
        if not headers:
            query["api_key"] = self._key
        url = f"{self._origin}{quote(path)}?{urlencode(query)}"
        reply = fetch_json(self._downloader, url, headers=headers, statuses=frozenset({200, 401, 404}))
        code = reply.get("status_code")
        if code in (7, 10, 14, 33):
            raise FetchFailed("key", f"TMDb says: {text_of(reply.get('status_message')) or code}")
        return reply


class OmdbFilms:
    """Films of OMDb. It knows no TMDb ids: a film's id is its IMDb id here."""

    name = "OMDb"

    def __init__(self, downloader: Downloader, key: str, origin: str = OMDB_API) -> None:
        self._downloader = downloader
        self._key = key
        self._origin = origin

    def by_id(self, id: str) -> Movie | None:
        """A film by its IMDb id; raises ``FetchFailed``."""
        return self._ask({"i": id}) if _IMDB_ID.fullmatch(id) else None

    def by_title(self, wish: Wish) -> Movie | None:
        """The film that OMDb takes for the one meant, if its title is like that."""
        film = self._ask({"t": wish.title} | ({} if wish.year is None else {"y": str(wish.year)}))
        return film if film is not None and is_title_like(wish.title, [film.title]) else None

    def _ask(self, query: dict[str, str]) -> Movie | None:
        return _read_omdb(
            ask_omdb(self._downloader, {**query, "type": "movie", "plot": "full"}, self._key, self._origin)
        )


def ask_omdb(
    downloader: Downloader, query: dict[str, str], key: str, origin: str = OMDB_API
) -> dict[str, Any]:
    """One reply of OMDb, empty for what it does not know; raises ``FetchFailed``, of kind ``key`` if that is why."""
    # The key is added here alone, so that no URL that is shown or logged has it.
    url = f"{origin}/?{urlencode({**query, 'apikey': key})}"
    reply = fetch_json(downloader, url, statuses=frozenset({200, 401}))
    if reply.get("Response") == "True":
        return reply
    said = text_of(reply.get("Error")) or "nothing"
    if "key" in said.lower() or "limit" in said.lower():
        raise FetchFailed("key", f"OMDb says: {said[:80]}")
    if "not found" in said.lower() or "incorrect imdb" in said.lower():
        return {}
    raise FetchFailed("bad-reply", f"OMDb says: {said[:80]}")


def _is_near(asked: int | None, found: int | None) -> bool:
    return asked is None or found is None or abs(asked - found) <= _YEARS_OFF


def _whole(value: object) -> int | None:
    number = number_of(value, low=-1.0)
    return None if number is None else int(number)


def _read_tmdb(film: dict[str, Any]) -> Movie:
    keywords = film.get("keywords")
    votes = _whole(film.get("vote_count"))
    imdb_id = text_of(film.get("imdb_id"))
    return Movie(
        id=str(film.get("id", "")),
        title=text_of(film.get("title")) or "",
        original_title=text_of(film.get("original_title")),
        year=year_of(film.get("release_date")),
        genres=names_of(film.get("genres")),
        keywords=names_of(keywords.get("keywords")) if isinstance(keywords, dict) else (),
        overview=text_of(film.get("overview")),
        tagline=text_of(film.get("tagline")),
        language=text_of(film.get("original_language")),
        countries=names_of(film.get("production_countries")),
        runtime_min=number_of(film.get("runtime")),
        rating=number_of(film.get("vote_average")) if votes else None,
        votes=votes,
        popularity=number_of(film.get("popularity")),
        revenue=number_of(film.get("revenue")),
        budget=number_of(film.get("budget")),
        imdb_id=imdb_id if imdb_id and _IMDB_ID.fullmatch(imdb_id) else None,
        poster_path=text_of(film.get("poster_path")),
    )


def _read_omdb(film: dict[str, Any]) -> Movie | None:
    title, imdb_id = text_of(film.get("Title")), text_of(film.get("imdbID"))
    if title is None or imdb_id is None or not _IMDB_ID.fullmatch(imdb_id):
        return None
    return Movie(
        id=imdb_id,
        title=title,
        year=year_of(film.get("Year")),
        genres=parts_of(film.get("Genre")),
        overview=text_of(film.get("Plot")),
        countries=parts_of(film.get("Country")),
        runtime_min=number_of(film.get("Runtime")),
        rating=number_of(film.get("imdbRating")),
        votes=_whole(film.get("imdbVotes")),
        revenue=number_of(film.get("BoxOffice")),
        imdb_id=imdb_id,
    )
