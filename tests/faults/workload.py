"""Requests as people make them, over the ids of a version."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import quote

from indexer import index_folder
from indexer import index_version as versions
from indexer.catalogue_store import CatalogueStore
from indexer.space import MEDIA

_TEXTS = (
    "a rainy night in the city",
    "slow and sad",
    "a chase through the desert",
    "first love at the seaside",
    "war and its end",
    "robots that dream",
)


def mixed_requests(indexes: Path, count: int = 200, seed: int = 0) -> list[tuple[str, Any]]:
    """Requests (path, body or None for a GET) over the served version: matches, texts, look-ups, single items."""
    chance = random.Random(seed)
    store = CatalogueStore.open(indexes / index_folder.current_name(indexes) / versions.CATALOGUE)
    try:
        ids = {}
        for medium in MEDIA:
            rows = [chance.randrange(store.count(medium)) for _ in range(count)]
            ids[medium] = store.ids(medium, rows)
        titles = [movie.title for movie in store.movies(list(range(min(50, store.count("movies")))))]
    finally:
        store.close()
    requests: list[tuple[str, Any]] = []
    for turn in range(count):
        song, film = ids["tracks"][turn], ids["movies"][turn]
        text = f"{_TEXTS[turn % len(_TEXTS)]} {turn}"
        requests.append(
            [
                (f"/v1/tracks/{quote(song, safe='')}/movies", None),
                (f"/v1/movies/{quote(film, safe='')}/tracks", None),
                ("/v1/search", {"target": "movies", "text": text}),
                ("/v1/search", {"target": "tracks", "movies": [film], "tracks": [song]}),
                (f"/v1/movies?q={quote(titles[turn % len(titles)])}", None),
                (
                    "/v1/search",
                    {"target": "tracks", "text": text, "filters": {"year_min": 1970}, "explain": False},
                ),
                (f"/v1/tracks/{quote(song, safe='')}", None),
            ][turn % 7]
        )
    return requests


def version_of(reply_body: bytes) -> str:
    """Which version answered."""
    return str(json.loads(reply_body)["index_version"])
