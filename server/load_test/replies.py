"""What a right reply looks like. Every check raises ``WrongReply`` with one short line, the same for the same fault."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

#: The terms of a raw score are float32 sums, written in full.
_TERMS_TOLERANCE = 1e-3


class WrongReply(Exception):
    """A reply that came, but is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its status, media type and JSON (None where the body is no JSON)."""

    status: int
    media_type: str
    body: Any


def expect(held: bool, fault: str) -> None:
    """Raise ``WrongReply`` with ``fault`` unless ``held``."""
    if not held:
        raise WrongReply(fault)


def check_answer(reply: Reply) -> dict[str, Any]:
    """Check what all good replies share, and return the body: 200, a JSON object, the version that answered."""
    expect(reply.status == 200, f"status {reply.status} instead of 200")
    expect(reply.media_type == "application/json", f"media type {reply.media_type!r}")
    body = reply.body
    expect(isinstance(body, dict), "the body is no JSON object")
    version = body.get("index_version")
    expect(isinstance(version, str) and bool(version), "index_version is missing")
    return dict(body)


def check_item(reply: Reply, id: str) -> dict[str, Any]:
    """Check the reply with one item."""
    body = check_answer(reply)
    expect(body.get("id") == id, "another item than the one asked for")
    expect(isinstance(body.get("title"), str) and bool(body["title"]), "the item has no title")
    return body


def check_list(reply: Reply, limit: int, offset: int = 0) -> dict[str, Any]:
    """Check a list: ranks go on from ``offset``, scores fall within [0, 1], no id comes twice, length fits total."""
    body = check_answer(reply)
    results, total = body.get("results"), body.get("total")
    expect(isinstance(results, list), "results are missing")
    expect(type(total) is int, "total is missing")
    hits: Sequence[Mapping[str, Any]] = body["results"]
    ranks = [hit.get("rank") for hit in hits]
    expect(ranks == list(range(offset + 1, offset + 1 + len(hits))), "ranks do not go on from the offset")
    expect(len({hit.get("id") for hit in hits}) == len(hits), "an id comes twice")
    check_scores([hit.get("score") for hit in hits])
    expect(len(hits) <= limit, "more results than the limit")
    return body


def check_scores(scores: Sequence[Any]) -> None:
    """Check that scores are numbers within [0, 1] and do not rise."""
    for score in scores:
        expect(isinstance(score, int | float) and math.isfinite(score), "a score is no number")
        expect(0.0 <= score <= 1.0, "a score is outside 0 to 1")
    expect(all(a >= b for a, b in pairwise(scores)), "scores rise along the list")


def check_matches(reply: Reply, limit: int, offset: int = 0, inputs: Sequence[str] = ()) -> dict[str, Any]:
    """Check matches: a list in which reasons add up to raw scores, whole pages, and none of the ``inputs``."""
    body = check_list(reply, limit, offset)
    hits = body["results"]
    expect(len(hits) == min(limit, max(0, body["total"] - offset)), "the page is shorter than total allows")
    expect(type(body.get("good_match")) is bool, "good_match is missing")
    expect(not {hit["id"] for hit in hits} & set(inputs), "an input is among its own matches")
    for hit in hits:
        reasons = hit.get("reasons")
        expect(isinstance(reasons, list) and bool(reasons), "a match has no reasons")
        gap = abs(sum(reason["value"] for reason in reasons) - hit["raw_score"])
        expect(gap <= _TERMS_TOLERANCE, "reasons do not add up to the raw score")
    return body


def check_filtered(body: Mapping[str, Any], filters: Mapping[str, Any]) -> None:
    """Check that every result passes ``genres`` (any of them), ``year_min`` and ``year_max``."""
    genres = {name.casefold() for name in filters.get("genres", ())}
    for hit in body["results"]:
        if genres:
            expect(
                bool(genres & {name.casefold() for name in hit["genres"]}), "a result has none of the genres"
            )
        year = hit["year"]
        # A song may have its decade only; the server decides how that passes.
        if year is None:
            expect(
                not {"year_min", "year_max"} & set(filters) or hit.get("decade") is not None, "no year passes"
            )
            continue
        expect(
            filters.get("year_min", year) <= year <= filters.get("year_max", year), "a year is out of range"
        )


def check_facets(body: Mapping[str, Any]) -> None:
    """Check facets: counts of genres, decades and languages, each from 1 to total."""
    facets = body.get("facets")
    expect(isinstance(facets, dict), "facets are missing")
    for name in ("genres", "decades", "languages"):
        counts = body["facets"].get(name)
        expect(isinstance(counts, dict), f"facets lack {name}")
        for count in body["facets"][name].values():
            expect(
                type(count) is int and 0 < count <= body["total"], f"a count of {name} is not within total"
            )


def check_page(body: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> None:
    """Check that a page goes on where earlier pages of the same version ended: no id again, scores not higher."""
    earlier = [hit for page in before for hit in page["results"]]
    expect(
        not {hit["id"] for hit in earlier} & {hit["id"] for hit in body["results"]}, "an id repeats on a page"
    )
    check_scores([hit["score"] for hit in [*earlier[-1:], *body["results"]]])


def check_problem(reply: Reply, status: int, field: str | None = None) -> None:
    """Check a refusal: its exact status, in the one shape of errors, naming ``field`` where one is at fault."""
    expect(reply.status == status, f"status {reply.status} instead of {status}")
    expect(reply.media_type == "application/problem+json", f"media type {reply.media_type!r} of a refusal")
    body = reply.body
    expect(isinstance(body, dict) and body.get("status") == status, "the problem states another status")
    expect(bool(body.get("title")) and bool(body.get("detail")), "the problem has no title or detail")
    if field is not None:
        named = [error.get("field") for error in body.get("errors", [])]
        expect(field in named, f"the problem does not name {field or 'the body'}")
