"""What is asked of a server under load: requests made of a version's own ids, titles and genres."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from indexer.catalogue.records import Medium
from indexer.index_version import IndexVersion

#: Requests that are asked over and over are so few, others so many unless the catalogue is smaller.
REPEATED = 50
_MOST_IDS = 60_000
_MOST_TEXTS = 20_000


@dataclass(frozen=True)
class Request:
    """One request; ``body`` is JSON, or nothing."""

    path: str
    method: str = "GET"
    body: str = ""

    def as_line(self) -> str:
        """The request as wrk_requests.lua reads it."""
        return f"{self.method}\t{self.path}\t{self.body}"


@dataclass(frozen=True)
class Scenario:
    """Requests of one sort. ``bare``: they go to the bare application."""

    name: str
    requests: tuple[Request, ...]
    bare: bool = False


def make_scenarios(version: IndexVersion, seed: int) -> list[Scenario]:
    """All scenarios, the bare ones first; the same version and seed give the same requests."""
    random = np.random.default_rng(seed)
    songs, films = (_ids(version, medium, random) for medium in ("tracks", "movies"))
    films_of = tuple(Request(f"/v1/tracks/{id}/movies") for id in songs)
    songs_of = tuple(Request(f"/v1/movies/{id}/tracks") for id in films)
    texts = _texts(version, random)
    look_ups = tuple(Request(f"/v1/tracks?q={quote(title)}") for title in _titles(version, "tracks", random))
    return [
        Scenario("bare Flask, small reply", (Request("/small"),), bare=True),
        Scenario("bare Flask, reply of a search's size", (Request("/large"),), bare=True),
        Scenario("healthz", (Request("/healthz"),)),
        Scenario("one song", tuple(Request(f"/v1/tracks/{id}") for id in songs)),
        Scenario("films for a song", films_of),
        Scenario(f"films for a song, {REPEATED} songs again and again", films_of[-REPEATED:]),
        Scenario("songs for a film", songs_of),
        Scenario(f"songs for a film, {REPEATED} films again and again", songs_of[-REPEATED:]),
        Scenario("films for a text", texts),
        Scenario(f"films for a text, {REPEATED} texts again and again", texts[-REPEATED:]),
        Scenario("look-up of a title", look_ups),
    ]


def _ids(version: IndexVersion, medium: Medium, random: np.random.Generator) -> list[str]:
    rows = random.permutation(version.indexes[medium].size)[:_MOST_IDS]
    return [quote(id, safe="") for id in version.store.ids(medium, rows.tolist())]


def _titles(version: IndexVersion, medium: Medium, random: np.random.Generator) -> list[str]:
    rows = random.permutation(version.indexes[medium].size)[:_MOST_TEXTS].tolist()
    items = version.store.tracks(rows) if medium == "tracks" else version.store.movies(rows)
    return list(dict.fromkeys(item.title for item in items))


def _texts(version: IndexVersion, random: np.random.Generator) -> tuple[Request, ...]:
    """Texts of a genre and two words from titles, each text once."""
    genres = version.filters["movies"].genres
    words = sorted(
        {word for title in _titles(version, "movies", random) for word in title.split() if word.isalpha()}
    )
    picked = random.integers(0, len(words), (_MOST_TEXTS, 2)).tolist()
    kinds = random.integers(0, len(genres), _MOST_TEXTS).tolist()
    texts = (
        f"{genres[kind]} {words[one]} {words[two]}" for kind, (one, two) in zip(kinds, picked, strict=True)
    )
    return tuple(
        Request("/v1/search", "POST", json.dumps({"target": "movies", "text": text}))
        for text in dict.fromkeys(texts)
    )
