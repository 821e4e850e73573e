"""The scenarios: what a user of the load test asks, how often, and what must come back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from indexer.catalogue.records import Medium
from server.load_test.replies import (
    Reply,
    WrongReply,
    check_facets,
    check_filtered,
    check_item,
    check_list,
    check_matches,
    check_page,
    check_problem,
)
from server.load_test.samples import MEDIA, Samples
from server.settings import MAX_LIMIT, MAX_TEXT

LIMIT = 10
PAGES = 3
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``body`` is sent as JSON, ``raw`` as it is under ``media_type``."""

    method: str
    path: str
    body: Any = None
    raw: str | None = None
    media_type: str = _JSON


class Ask(Protocol):
    """Sends a request once and returns what ``check`` returns, or None where there was no right reply."""

    def __call__(self, request: Request, check: Callable[[Reply], Any]) -> Any:
        """Send it; a ``WrongReply`` from ``check`` is counted as an error."""


Scenario = Callable[[Ask, random.Random, Samples], None]


def look_up(ask: Ask, rng: random.Random, samples: Samples) -> None:
    """A title or its beginning, sometimes with a letter left out."""
    medium = rng.choice(MEDIA)
    title = rng.choice(samples.titles[medium])
    kind = rng.choice(("whole", "beginning", "typo"))
    if kind == "beginning":
        title = title[: max(3, len(title) // 2)].strip() or title
    elif kind == "typo" and len(title) > 4:
        at = rng.randrange(1, len(title) - 1)
        title = title[:at] + title[at + 1 :]

    def check(reply: Reply) -> None:
        body = check_list(reply, LIMIT)
        if kind == "whole" and not body["results"]:
            raise WrongReply("a whole title is not found")

    ask(Request("GET", f"/v1/{medium}?{urlencode({'q': title, 'limit': LIMIT})}"), check)


def one_item(ask: Ask, rng: random.Random, samples: Samples) -> None:
    """One song or film."""
    medium = rng.choice(MEDIA)
    id = rng.choice(samples.ids[medium])
    ask(Request("GET", f"/v1/{medium}/{_quote(id)}"), lambda reply: check_item(reply, id))


def films_for_song(ask: Ask, rng: random.Random, samples: Samples) -> None:
    """Films that fit a song."""
    id = rng.choice(samples.ids["tracks"])
    ask(Request("GET", f"/v1/tracks/{_quote(id)}/movies"), lambda reply: check_matches(reply, LIMIT))


def songs_for_film(ask: Ask, rng: random.Random, samples: Samples) -> None:
    """Songs that fit a film."""
    id = rng.choice(samples.ids["movies"])
    ask(Request("GET", f"/v1/movies/{_quote(id)}/tracks"), lambda reply: check_matches(reply, LIMIT))


def similar_songs(ask: Ask, rng: random.Random, samples: Samples) -> None:
    """Songs like a song."""
    id = rng.choice(samples.ids["tracks"])
    ask(
        Request("GET", f"/v1/tracks/{_quote(id)}/similar"),
        lambda reply: check_matches(reply, LIMIT, inputs=[id]),
    )


def text_search(ask: Ask, rng: random.Random, samples: Samples) -> None:
    """Two to five words, hardly ever the same twice, so that the encoder has to work."""
    body = {"target": rng.choice(MEDIA), "text": _text(rng, samples), "limit": LIMIT}
    ask(Request("POST", "/v1/search", body), lambda reply: check_matches(reply, LIMIT))


def filtered_search(ask: Ask, rng: random.Random, samples: Samples) -> None:
    """A song or film with genres, years or both, and facets where the server has them."""
    target = rng.choice(MEDIA)
    medium = rng.choice(MEDIA)
    filters = _filters(rng, samples, target)
    id = rng.choice(samples.ids[medium])
    # By score alone: where filters leave little, what repeats an artist follows after what scores less.
    body = {"target": target, medium: [id], "filters": filters, "limit": LIMIT, "unique": False}
    if samples.facets:
        body["facets"] = True

    def check(reply: Reply) -> None:
        answer = check_matches(reply, LIMIT, inputs=[id] if medium == target else [])
        check_filtered(answer, filters)
        if samples.facets:
            check_facets(answer)

    ask(Request("POST", "/v1/search", body), check)


def paging(ask: Ask, rng: random.Random, samples: Samples) -> None:
    """Pages that follow one another; no id may repeat while the same version answers.

    Where the server can pin a version, every other reader does; a refusal then means that the version was replaced.
    """
    medium = rng.choice(MEDIA)
    target = rng.choice(MEDIA)
    path = (
        f"/v1/{medium}/{_quote(rng.choice(samples.ids[medium]))}/{'similar' if medium == target else target}"
    )
    pins = samples.pinned and rng.random() < 0.5
    pages: list[dict[str, Any]] = []
    for number in range(PAGES):
        offset = number * LIMIT
        query: dict[str, Any] = {"limit": LIMIT, "offset": offset, "unique": "false"}
        if pages and pins:
            query["index_version"] = pages[0]["index_version"]
        # Bound now: the check must not see the next page's values.
        page = ask(Request("GET", f"{path}?{urlencode(query)}"), _page_check(offset, list(pages), pins))
        if page is None or page["index_version"] != (pages or [page])[0]["index_version"]:
            return
        pages.append(page)


def _page_check(offset: int, before: list[dict[str, Any]], pins: bool) -> Callable[[Reply], Any]:
    def check(reply: Reply) -> dict[str, Any] | None:
        if pins and before and reply.status == 409:
            check_problem(reply, 409, "index_version")
            return None
        page = check_matches(reply, LIMIT, offset)
        if before and page["index_version"] == before[0]["index_version"]:
            check_page(page, before)
        elif pins and before:
            raise WrongReply("another version answers than the one pinned")
        return page

    return check


def nonsense(ask: Ask, rng: random.Random, samples: Samples) -> None:
    """One request that must be refused, with its exact status."""
    refusal = rng.choice(list(refusals(samples, rng)))
    ask(refusal.request, lambda reply: check_problem(reply, refusal.status, refusal.field))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request, the status it must get, and the part at fault that must be named (None: none is)."""

    request: Request
    status: int
    field: str | None = None


def refusals(samples: Samples, rng: random.Random) -> Iterator[Refusal]:
    """All requests of ``nonsense``."""
    song = f"/v1/tracks/{_quote(rng.choice(samples.ids['tracks']))}"
    yield Refusal(Request("GET", "/v1/tracks/no-such-song"), 404)
    yield Refusal(Request("GET", "/v1/movies/no-such-film/tracks"), 404)
    yield Refusal(Request("GET", "/v1/no-such-address"), 404)
    yield Refusal(Request("DELETE", "/v1/search"), 405)
    yield Refusal(Request("GET", "/v1/movies"), 422, "q")
    yield Refusal(Request("GET", f"{song}/movies?limit=0"), 422, "limit")
    yield Refusal(Request("GET", f"{song}/movies?colour=red"), 422, "colour")
    yield Refusal(Request("GET", f"{song}/movies?limit=5&limit=6"), 422, "limit")
    yield Refusal(Request("GET", f"{song}/movies?year_min=2000&year_max=1990"), 422, "year_min")
    yield Refusal(Request("POST", "/v1/search", raw='{"target": "movies", "text": '), 400)
    yield Refusal(
        Request("POST", "/v1/search", raw='{"target": "movies", "text": "rain", "limit": NaN}'), 400
    )
    yield Refusal(Request("POST", "/v1/search", raw="text=rain", media_type="text/plain"), 415)
    for field, body in (
        ("", []),
        ("target", {}),
        ("target", {"target": "books", "text": "rain"}),
        ("text", {"target": "movies", "text": "x" * (MAX_TEXT + 1)}),
        ("limit", {"target": "movies", "text": "rain", "limit": MAX_LIMIT + 1}),
        ("tracks", {"target": "movies", "tracks": ["no-such-song"]}),
        ("filters.genres", {"target": "movies", "text": "rain", "filters": {"genres": ["No such genre"]}}),
        ("filters.tempo_min", {"target": "movies", "text": "rain", "filters": {"tempo_min": 90.0}}),
    ):
        yield Refusal(Request("POST", "/v1/search", body), 422, field)


def _filters(rng: random.Random, samples: Samples, target: Medium) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    genres, years = samples.genres[target], samples.years[target]
    if genres and rng.random() < 0.6:
        filters["genres"] = rng.sample(genres, min(len(genres), rng.randint(1, 2)))
    if years and (not filters or rng.random() < 0.5):
        filters["year_min"], filters["year_max"] = sorted(rng.choices(years, k=2))
    return filters


def _text(rng: random.Random, samples: Samples) -> str:
    return " ".join(rng.choices(samples.words, k=rng.randint(2, 5)))


def _quote(id: str) -> str:
    return quote(id, safe="")


#: Scenario → how many of a deck's cards it has. A user deals the shuffled deck out, then shuffles it again, so that the
#: mix is exact and no scenario is left out of a short run.
MIX: dict[str, tuple[int, Scenario]] = {
    "title look-up": (4, look_up),
    "one item": (2, one_item),
    "films for a song": (4, films_for_song),
    "songs for a film": (3, songs_for_film),
    "similar songs": (2, similar_songs),
    "text search": (2, text_search),
    "filters": (2, filtered_search),
    "paging": (1, paging),
    "nonsense": (1, nonsense),
}


def deal(rng: random.Random) -> Iterator[str]:
    """Names of scenarios without end, in decks of the weights of ``MIX``."""
    while True:
        deck = [name for name, (weight, _) in MIX.items() for _ in range(weight)]
        rng.shuffle(deck)
        yield from deck
