"""Replies spelled out: items, hits, queries and answers as plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, get_origin, get_type_hints
from urllib.parse import quote, quote_plus

from indexer.catalogue.records import Movie, Track
from indexer.filter_columns import NO_FILTERS, Facets
from server.item_bodies import show_item_asked
from server.item_look_up import LookedUp
from server.request_schemas import FILTER_NAMES
from server.search import GOOD_MATCH, Answer, Hit, Query


@lru_cache(maxsize=8_192)
def _link_to_song(title: str, artists: tuple[str, ...]) -> str:
    return "https://open.spotify.com/search/" + quote(" ".join((title, *artists)), safe="")


def link_to(item: Movie | Track) -> str:
    """Make the address where a song can be heard or a film be seen."""
    if isinstance(item, Track):
        return _link_to_song(item.title, item.artists)
    if item.id.isascii() and item.id.isdigit():
        return f"https://www.themoviedb.org/movie/{item.id}"
    return "https://www.themoviedb.org/search/movie?query=" + quote_plus(item.title)


def _list_fields(record: type[Movie] | type[Track]) -> tuple[list[str], attrgetter[Any], list[str]]:
    """Names of all fields, what reads them, and which of them are lists."""
    names = [field.name for field in fields(record)]
    kinds = get_type_hints(record)
    return names, attrgetter(*names), [name for name in names if get_origin(kinds[name]) is tuple]


_SHOWN = {record: _list_fields(record) for record in (Movie, Track)}


def show_item(item: Movie | Track) -> dict[str, Any]:
    """Spell out an item with its link; unknown values are None."""
    names, read, lists = _SHOWN[type(item)]
    shown: dict[str, Any] = dict(zip(names, read(item), strict=True))
    for name in lists:
        shown[name] = list(shown[name])
    shown["listen" if isinstance(item, Track) else "watch"] = link_to(item)
    return shown


def show_hit(hit: Hit) -> dict[str, Any]:
    """Spell out a match: its place first, then the item. ValueError for a score that is no number."""
    reasons = [{"term": r.term, "value": r.value, "text": r.text} for r in hit.reasons]
    # One sum tells whether any of them is infinite or none.
    check_number(sum([r.value for r in hit.reasons], hit.score + hit.raw_score))
    shown = {
        "id": hit.id,
        "rank": hit.rank,
        "score": hit.score,
        "raw_score": hit.raw_score,
        "based_on": hit.based_on,
        "soundtrack": hit.heard,
        "reasons": reasons,
    }
    shown.update(show_item(hit.item))
    return shown


def check_number(number: float) -> float:
    """The same number; ValueError for NaN and infinity, which JSON lacks."""
    if not math.isfinite(number):
        raise ValueError(f"{number} cannot be part of a reply")
    return number


def show_query(query: Query, unread: Sequence[Sequence[str]] = ()) -> dict[str, Any]:
    """Repeat a query in the shape of a search body; filters, facets, items and the version only where they are set.

    ``unread``: for each item, the parts that were not read.
    """
    filters: dict[str, Any] = {}
    if query.filters is not NO_FILTERS:
        filters = {name: getattr(query.filters, name) for name in FILTER_NAMES}
    return {
        "target": query.target,
        "tracks": list(query.tracks),
        "movies": list(query.movies),
        "text": query.text,
        "avoid": {
            "tracks": list(query.avoid_tracks),
            "movies": list(query.avoid_movies),
            "text": query.avoid_text,
        },
        "filters": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in filters.items()
            if value is not None and value != ()
        },
        "limit": query.limit,
        "offset": query.offset,
        "explain": query.explain,
        "mood": {"valence": query.dials.valence, "energy": query.dials.energy},
        "popularity": (query.dials.popularity + 1.0) / 2.0 if query.dials.popularity else None,
        "diversity": query.diversity,
        "method": query.method,
        **({"items": _show_items(query, unread)} if query.items else {}),
        "unique": query.unique,
        **({"facets": True} if query.facets else {}),
        **({"index_version": query.index_version} if query.index_version else {}),
    }


def _show_items(query: Query, unread: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    parts = unread or [()] * len(query.items)
    return [show_item_asked(item, names) for item, names in zip(query.items, parts, strict=True)]


def show_answer(query: Query, answer: Answer, looked_up: Sequence[LookedUp | None] = ()) -> dict[str, Any]:
    """Spell out the reply to a query; with facets where the answer has them, and what came of look-ups of items."""
    shown: dict[str, Any] = {
        "index_version": answer.index_version,
        "query": show_query(query, answer.unread),
        "total": answer.total,
        "good_match": answer.good_match,
        "results": [show_hit(hit) for hit in answer.hits],
    }
    if answer.soundtrack is not None:
        shown["soundtrack"] = [
            {"id": known.item.id, "source": known.source, **show_item(known.item)}
            for known in answer.soundtrack
        ]
    for item, outcome in zip(shown["query"].get("items", ()), looked_up, strict=False):
        if outcome is not None:
            item["looked_up"] = outcome.show()
    if answer.facets is not None:
        shown["facets"] = show_facets(answer.facets)
    return shown


def show_facets(facets: Facets) -> dict[str, dict[str, int]]:
    """Spell out counts; keys are strings, as JSON has them."""
    return {
        "genres": dict(facets.genres),
        "decades": {str(decade): count for decade, count in facets.decades.items()},
        "languages": dict(facets.languages),
    }


def show_relevance(name: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Spell out the relevance card of a version."""
    return {
        "index_version": name,
        "relevance": manifest["relevance"],
        "learned": manifest["learned"],
        "methods": manifest["methods"],
        "good_match": GOOD_MATCH,
    }
