"""Request ids, one log line per request, and log lines as JSON objects or for people, on stderr.

No line holds what was searched for, an address as it was asked for, or a key.
"""

from __future__ import annotations

import json
import logging
import logging.config
import os
import re
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from flask import Flask, Response, g, has_request_context, request

from indexer.errors import ConfigError, VersionError
from server.settings import Settings

REQUEST_ID_HEADER: Final = "X-Request-ID"
_log = logging.getLogger("server.requests")
_is_request_id = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch
_hide_queries = re.compile(r"\?[^\r\n]*").sub
_encode = json.JSONEncoder(default=str).encode
_CONTROLS = dict.fromkeys((*range(32), 127), " ")
#: Exceptions whose words are written for operators; the words of any other may repeat what was searched for.
_SPOKEN = (ConfigError, VersionError, ImportError, MemoryError, OSError)


def register_logs(app: Flask, served: Callable[[], str | None]) -> None:
    """Give every request of ``app`` an id and a log line; ``served`` names the version that answers, if any does.

    To be registered before anything else that hooks into requests: it is the first before them and the last after.
    """

    @app.before_request
    def start() -> None:
        g.arrived_at = time.perf_counter()
        given = request.headers.get(REQUEST_ID_HEADER, "")
        g.request_id = given if _is_request_id(given) else os.urandom(16).hex()

    @app.after_request
    def finish(response: Response) -> Response:
        request_id = g.request_id
        response.headers.add(REQUEST_ID_HEADER, request_id)
        if _log.isEnabledFor(logging.INFO):
            # Made by hand: the way through info() looks up the caller, which costs as much as all the rest.
            record = logging.LogRecord(_log.name, logging.INFO, "", 0, "answered", None, None)
            record.fields = {
                "request_id": request_id,
                "method": request.method[:20],
                "route": find_route(),
                "status": response.status_code,
                "seconds": round(time.perf_counter() - g.arrived_at, 6),
                "index_version": served(),
                "client": g.get("client"),
            }
            _log.handle(record)
        return response


def configure_logs(settings: Settings) -> None:
    """Send the log lines of the whole process, gunicorn's own included, to stderr in the form that was set."""
    # No line shows them; asking for them takes a while.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"lines": {"()": JsonLines if settings.log_format == "json" else TextLines}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
            "root": {"level": settings.log_level.upper(), "handlers": ["stderr"]},
            "loggers": {
                "gunicorn.error": {"level": settings.log_level.upper(), "handlers": [], "propagate": True},
                # Refusals are in the line per request; what is left are the store's troubles.
                "flask-limiter": {"level": "WARNING"},
            },
        }
    )


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then what is known of the request."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line of JSON in ASCII."""
        return _encode(describe_record(record))


class TextLines(logging.Formatter):
    """Lines for people: time, level, logger, message, the other fields as ``name=value``, then a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line, or several where there is an exception."""
        fields = describe_record(record)
        head = " ".join(str(fields.pop(name)) for name in ("time", "level", "logger"))
        message = str(fields.pop("message")).translate(_CONTROLS)
        exception = fields.pop("exception", None)
        rest = "".join(f" {name}={value}" for name, value in fields.items() if value is not None)
        return f"{head} {message}{rest}" + (f"\n{exception}" if exception else "")


def describe_record(record: logging.LogRecord) -> dict[str, Any]:
    """Put a log record into named fields.

    In a request, the words of an exception are left out unless they were written for operators.
    """
    when = datetime.fromtimestamp(record.created, UTC)
    message = record.getMessage()
    if record.name.startswith("gunicorn"):
        message = _hide_queries("?…", message)  # it quotes request lines that it cannot read
    fields: dict[str, Any] = {
        "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": message,
    }
    known: dict[str, Any] | None = getattr(record, "fields", None)
    if known is not None:
        return fields | known
    in_request = has_request_context()
    if in_request:
        fields["request_id"] = g.get("request_id")
        fields["method"] = request.method[:20]
        fields["route"] = find_route()
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        private = in_request or message.startswith("Error handling request")  # gunicorn's words
        fields["exception"] = _describe_exception(error, private)
        if private and not isinstance(error, _SPOKEN) and str(error):
            fields["message"] = message.replace(str(error), type(error).__name__)
    return fields


def find_route() -> str:
    """Find the rule that the request's address follows, "none" where there is none; never the address itself."""
    rule = request.url_rule
    return rule.rule if rule is not None else "none"


def _describe_exception(error: BaseException, private: bool) -> str:
    if not private:
        return "".join(traceback.format_exception(error))
    parts = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        words = f": {cause}" if isinstance(cause, _SPOKEN) else ""
        frames = "".join(traceback.format_tb(cause.__traceback__))
        parts.append(f"{frames}{type(cause).__qualname__}{words}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\n\nraised while handling, or because of:\n".join(parts)
