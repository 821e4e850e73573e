"""Replies by address, the last ones in memory as they were sent."""

from __future__ import annotations

from typing import Final

from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint

from server.answer_cache import AnswerCache
from server.leases import Current

#: 1,024 replies of some 14 kB each are 14 MB.
KEPT_REPLIES: Final = 1_024
#: Larger replies are made anew: a few of them would take the memory of all others.
MOST_BYTES: Final = 32 * 1024


def keep_replies(api: APIBlueprint, current: Current, routes: frozenset[str]) -> None:
    """Send the reply of these routes (by endpoint) again where the same address is asked of the same version.

    A version never changes, so neither does its reply to an address.
    """
    kept: AnswerCache[tuple[str, str, bytes], bytes] = AnswerCache(KEPT_REPLIES)

    @api.before_request
    def send_again() -> Response | None:
        if request.endpoint not in routes:
            return None
        body = kept.get((current().name, request.path, request.query_string))
        if body is None:
            return None
        g.sent_again = True
        return Response(body, mimetype="application/json")

    @api.after_request
    def keep(response: Response) -> Response:
        if request.endpoint in routes and response.status_code == 200 and "sent_again" not in g:
            body = response.get_data()
            if len(body) <= MOST_BYTES:
                kept.put((current().name, request.path, request.query_string), body)
        return response
