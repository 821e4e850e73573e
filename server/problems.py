"""The one shape of error replies (RFC 9457, ``application/problem+json``) and the one table of statuses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NoReturn

from flask import Flask, Response, json
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException

from indexer.errors import (
    EngineError,
    EngineRefused,
    EngineUnavailable,
    FeedbackOff,
    FeedbackTooOften,
    FeedbackUnavailable,
    MissingLibrary,
    NotSound,
    QueryError,
    SegueError,
    SoundRefused,
    SoundTooLarge,
    SoundUnavailable,
    UnknownItem,
    VersionChanged,
    VersionError,
)
from server.refusals import VersionRefused

_log = logging.getLogger(__name__)


class FieldError(BaseModel):
    """One part of a request that is wrong, and what to do about it."""

    field: str = Field(description="dotted path of the part at fault; empty for the request as a whole")
    message: str


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str
    errors: list[FieldError]


class RequestRefused(SegueError):
    """A request whose parts do not make sense; ``errors`` names each of them."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}".lstrip(": ") for error in errors[:5]))
        self.errors = list(errors)


class ItemNotFound(SegueError):
    """The address names an item that the served version does not hold."""


#: Exception → status; the first class that fits decides, anything else is a 500.
STATUSES: dict[type[Exception], HTTPStatus] = {
    RequestRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    ItemNotFound: HTTPStatus.NOT_FOUND,
    UnknownItem: HTTPStatus.UNPROCESSABLE_ENTITY,
    VersionChanged: HTTPStatus.CONFLICT,
    QueryError: HTTPStatus.UNPROCESSABLE_ENTITY,
    VersionError: HTTPStatus.SERVICE_UNAVAILABLE,
    NotSound: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    SoundTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    SoundRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    SoundUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    MissingLibrary: HTTPStatus.NOT_IMPLEMENTED,
    FeedbackOff: HTTPStatus.NOT_IMPLEMENTED,
    FeedbackTooOften: HTTPStatus.TOO_MANY_REQUESTS,
    FeedbackUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    EngineError: HTTPStatus.SERVICE_UNAVAILABLE,
}
#: Their words are for anyone, although the status is a 5xx.
_OPEN_ERRORS = (SoundUnavailable, MissingLibrary, FeedbackOff, FeedbackUnavailable)

#: What a 5xx says; the cause goes to the log only, since it may tell of paths and internals.
_PUBLIC_DETAILS: dict[int, str] = {
    500: "Something went wrong on the server. The cause is in its log.",
    503: "No usable index version is open. Build and publish one; the server notices by itself.",
}
_ENGINE_DETAIL = (
    "The engine that searches cannot be used now. Ask again after the time that Retry-After names."
)
_HTTP_DETAILS: dict[int, str] = {
    404: "There is nothing at this address. The calls are described at /docs.",
    405: "This address does not answer this method. The calls are described at /docs.",
    413: "The request body is too large. Send fewer ids or a shorter text.",
    415: "Send the search as JSON, with the header Content-Type: application/json.",
    429: "Too many requests. Ask again after the seconds that the header Retry-After names.",
}
#: Pydantic's error kinds that deserve plainer words than its own.
_MESSAGES: dict[str, str] = {
    "extra_forbidden": "is not known here; remove it, or see /docs for the names that are",
    "missing": "is required",
    "finite_number": "must be a finite number",
    "string_unicode": "must be valid Unicode text",
    "union_tag_not_found": "needs kind: track or movie",
    "union_tag_invalid": "kind must be track or movie",
}


#: The model of a body that is of one kind or another as a whole.
_FEEDBACK = "FeedbackBody"


def find_status(error: Exception) -> HTTPStatus:
    """Look up the status of an exception: 500 for all that are not in the table."""
    for kind, status in STATUSES.items():
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def describe_problem(error: Exception) -> Problem:
    """Put an exception into words for the caller; a 5xx says nothing about its cause."""
    status = find_status(error)
    errors: list[FieldError] = []
    if isinstance(error, RequestRefused):
        errors = error.errors
    elif isinstance(error, QueryError):
        errors = [FieldError(field=error.field, message=str(error))]
    elif isinstance(error, VersionRefused):
        errors = [FieldError(field="index_version", message=str(error))]
    detail = str(error) if isinstance(error, _OPEN_ERRORS) else _PUBLIC_DETAILS.get(status, str(error))
    if isinstance(error, EngineError):
        detail = _ENGINE_DETAIL
        errors = [FieldError(field="engine", message=_word_engine(error))]
    return _problem(status, detail, errors)


def raise_refusal(error: ValidationError) -> NoReturn:
    """Turn pydantic's findings into a ``RequestRefused`` that does not repeat the input."""
    found: list[FieldError] = []
    for detail in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in detail["loc"]]
        message = _MESSAGES.get(detail["type"], detail["msg"])
        if error.title == _FEEDBACK:
            # Which kind of feedback it was read as is no part of the address either.
            if not path:
                path, message = ["", "kind"], "must be verdict or vote"
            del path[:1]
        at = 1 if path[:2] == ["query", "items"] else 0
        if path[at : at + 1] == ["items"]:
            # Which kind of item it was read as is no part of its address.
            del path[at + 2 : at + 3]
        if "field" in detail.get("ctx", {}):
            path.append(str(detail["ctx"]["field"]))
        found.append(FieldError(field=_clean(".".join(path)), message=message))
    raise RequestRefused(found) from error


def register_problems(
    app: Flask,
    on_engine_error: Callable[[EngineError], None] = lambda error: None,  # noqa: ARG005
) -> None:
    """Answer every error of ``app`` with a problem; ``on_engine_error`` hears of those of the engine."""

    def answer(error: Exception) -> Response:
        if isinstance(error, EngineError):
            on_engine_error(error)
        return _answer(error)

    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, answer)


def _word_engine(error: EngineError) -> str:
    """Say what is wrong with the engine; what it said itself, after a colon, is for the log."""
    if isinstance(error, EngineUnavailable | EngineRefused):
        return str(error).partition(":")[0]
    return "what the engine holds does not fit; the log has the cause"


def _answer(error: Exception) -> Response:
    problem = describe_problem(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("the request failed: %s", error, exc_info=error)
    elif problem.status > HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("the request could not be served: %s", error)
    reply = _reply(problem)
    if isinstance(error, SoundUnavailable | FeedbackUnavailable | FeedbackTooOften | EngineError):
        reply.headers["Retry-After"] = str(error.retry_after_s)
    return reply


def _answer_http(error: HTTPException) -> Response | HTTPException:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if status < HTTPStatus.BAD_REQUEST:
        return error  # a redirect
    detail = _PUBLIC_DETAILS.get(status) or _HTTP_DETAILS.get(status) or str(error.description or "")
    reply = _reply(_problem(status, detail, []))
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        reply.headers["Allow"] = ", ".join(sorted(allowed))
    return reply


def _problem(status: int, detail: str, errors: list[FieldError]) -> Problem:
    title = HTTPStatus(status).phrase
    return Problem(type="about:blank", title=title, status=int(status), detail=detail, errors=errors)


def _reply(problem: Problem) -> Response:
    text = json.dumps(problem.model_dump())
    return Response(text, status=problem.status, mimetype="application/problem+json")


def _clean(text: str) -> str:
    # A key of the body may be anything, lone surrogates included.
    return text[:200].encode("utf-8", "replace").decode()
