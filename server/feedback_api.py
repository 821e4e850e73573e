"""The routes of feedback: what people say of results, and what it amounts to so far."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from flask import Flask, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from indexer.errors import FeedbackOff
from indexer.feedback import FILE
from indexer.feedback_measures import tally_votes
from server.feedback import FeedbackBody, FeedbackReply, TallyReply, judge
from server.feedback_rate import FeedbackRate
from server.feedback_store import FeedbackStore
from server.leases import Current
from server.request_schemas import NoQuery
from server.settings import OFF, Settings

_TAG = Tag(name="feedback", description="what people say of results")
ENDPOINT: Final = "api.give_feedback"
_DESCRIPTION = (
    "A verdict on a hit, or a vote in a blind comparison. Sending it again changes nothing; something else under the "
    "same key replaces it. Nothing is kept of who sent it."
)


def add_feedback(app: Flask, api: APIBlueprint, current: Current, settings: Settings) -> None:
    """Add the routes to ``api``, before that is registered with ``app``. Touches no database before it is needed."""
    where = settings.feedback_url or settings.indexes / FILE
    # One thread at least stays free for searches, where there are several.
    store = FeedbackStore(where, turns=max(1, min(2, settings.threads - 1)))
    is_off = settings.feedback_url == OFF
    if settings.feedback_rate and not is_off:
        _limit_rate(app, FeedbackRate(settings.feedback_rate, settings.rate_limit_store))

    @api.post(
        "/v1/feedback",
        tags=[_TAG],
        summary="Say whether results fit",
        description=_DESCRIPTION,
        responses={200: FeedbackReply},
    )
    def give_feedback(body: FeedbackBody) -> dict[str, Any]:
        if is_off:
            raise FeedbackOff
        given = body.root
        judgement = judge(given, current(), datetime.now(UTC).date(), settings.feedback_text == "on")
        if judgement is None:
            store.drop(given.key)
        else:
            store.put(given.key, judgement)
        return {"kind": given.kind, "kept": judgement is not None}

    @api.get("/v1/feedback/tally", tags=[_TAG], summary="Feedback so far", responses={200: TallyReply})
    def feedback_tally(query: NoQuery) -> dict[str, Any]:  # noqa: ARG001
        if is_off:
            raise FeedbackOff
        counts = store.count()
        votes = {(method, said): number for (kind, method, said), number in counts.items() if kind == "vote"}
        verdicts = {"up": 0, "down": 0}
        for (kind, _, said), number in counts.items():
            if kind == "verdict":
                verdicts[said] += number
        return {"votes": [asdict(tally) for tally in tally_votes(votes)], "verdicts": verdicts}


def _limit_rate(app: Flask, rate: FeedbackRate) -> None:
    # Before the body is read, so that what is refused counts as well.
    @app.before_request
    def count_feedback() -> None:
        if request.endpoint == ENDPOINT and request.method == "POST":
            rate.count(g.get("client") or request.remote_addr or "unknown", time.time)
