"""What the load test asks about: ids, titles, words, genres and years, taken from the server itself with a seed."""

from __future__ import annotations

import json
import random
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from indexer.catalogue.records import Medium
from indexer.errors import SegueError

MEDIA: tuple[Medium, ...] = ("movies", "tracks")
#: Items wanted of each medium; enough that a run does not ask about the same few.
ITEMS = 400
_FIRST_QUERIES = (
    *"abcdefghijklmnoprstuvwy",
    "the",
    "love",
    "night",
    "la",
    "de",
    "man",
    "one",
    "day",
    "world",
)
_TIMEOUT_S = 30.0
_WORD = re.compile(r"[A-Za-z]{4,15}")

Get = Callable[[str], Any]


class LoadTestFailed(SegueError):
    """The load test cannot be carried out: no server answers, or it holds too little to ask about."""


@dataclass(frozen=True)
class Samples:
    """Material for requests. ``titles`` are looked up, ``words`` make texts; ``years`` are those of items."""

    ids: dict[Medium, list[str]]
    titles: dict[Medium, list[str]]
    genres: dict[Medium, list[str]]
    years: dict[Medium, list[int]]
    words: list[str]
    facets: bool
    pinned: bool

    def write(self, path: Path) -> None:
        """Write them for the process that makes the requests."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Samples:
        """Read what ``write`` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def keep(self, held: Callable[[Medium, str], bool]) -> Samples:
        """Leave out the ids that ``held`` denies; raises ``LoadTestFailed`` where none is left."""
        ids: dict[Medium, list[str]] = {m: [id for id in self.ids[m] if held(m, id)] for m in MEDIA}
        for medium in MEDIA:
            if not ids[medium]:
                raise LoadTestFailed(
                    f"the two versions have no {medium} in common; nothing can be asked of both"
                )
        return Samples(**{**asdict(self), "ids": ids})


def over_http(host: str, key: str = "") -> Get:
    """Fetch JSON from a server by path, with an API key where it wants one.

    Raises ``LoadTestFailed`` where it does not answer with 200.
    """

    def get(path: str) -> Any:
        try:
            request = urllib.request.Request(f"{host}{path}", headers=key_header(key))
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            error.close()
            raise LoadTestFailed(
                f"{host}{path.partition('?')[0]} answers with status {error.code}"
            ) from error
        except (OSError, ValueError) as error:
            raise LoadTestFailed(f"no server answers at {host}: {error}") from error

    return get


def key_header(key: str) -> dict[str, str]:
    """The header that carries an API key; none without a key."""
    return {"X-API-Key": key} if key else {}


def gather(get: Get, seed: int, items: int = ITEMS) -> Samples:
    """Look up letters, then words of the titles found, until there are ``items`` of each medium or no new ones.

    The same server and seed give the same samples. Raises ``LoadTestFailed`` where a medium has fewer than two items.
    """
    rng = random.Random(seed)
    found: dict[Medium, dict[str, Any]] = {medium: _look_up_all(get, medium, rng, items) for medium in MEDIA}
    texts = [
        " ".join(filter(None, (movie["overview"], movie["title"]))) for movie in found["movies"].values()
    ]
    words = sorted({word.lower() for text in texts for word in _WORD.findall(text)})
    if not words:
        raise LoadTestFailed("no film of this server has a word of four letters to search by")
    search = get("/openapi.json")["components"]["schemas"]["SearchBody"]["properties"]
    titles: dict[Medium, list[str]] = {
        m: [item["title"] for item in found[m].values() if _WORD.search(item["title"])] for m in MEDIA
    }
    return Samples(
        ids={m: list(found[m]) for m in MEDIA},
        titles=titles,
        genres={m: sorted({name for item in found[m].values() for name in item["genres"]}) for m in MEDIA},
        years={
            m: sorted({item["year"] for item in found[m].values() if item["year"] is not None}) for m in MEDIA
        },
        words=words,
        facets="facets" in search,
        pinned="index_version" in search,
    )


def _look_up_all(get: Get, medium: Medium, rng: random.Random, items: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    asked: set[str] = set()
    waiting = rng.sample(_FIRST_QUERIES, len(_FIRST_QUERIES))
    while waiting and len(found) < items:
        text = waiting.pop(0)
        asked.add(text)
        fresh = []
        for item in get(f"/v1/{medium}?{urlencode({'q': text, 'limit': 20})}")["results"]:
            if item["id"] not in found:
                found[item["id"]] = item
                fresh += [word for word in _WORD.findall(item["title"]) if word not in asked]
        if fresh:
            waiting.append(rng.choice(fresh))
    if len(found) < 2:
        raise LoadTestFailed(f"the server holds fewer than two {medium}; there is nothing to ask about")
    return dict(list(found.items())[:items])
