"""The channel of a connection to Milvus: encrypted where asked for, and every remote call on it bounded in time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import grpc

from indexer.errors import EngineError, EngineRefused
from indexer.milvus.failures import explain_rpc, explain_status, too_slow
from indexer.milvus.params import MilvusParams

_RATE_LIMIT, _OLD_RATE_LIMIT = 8, 49
_CHANNEL_OPTIONS: Final[tuple[tuple[str, int | str], ...]] = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that came back is noticed within a second, not within gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # A connection made anew is a new one, with no memory of failures of the old.
    ("grpc.use_local_subchannel_pool", 1),
)


class Budget(threading.local):
    """What the call of this thread may still take, and what went wrong in it."""

    deadline: float = 0.0
    timeout_s: float = 0.0
    error: EngineError | None = None
    #: When all calls of what goes on have to be over.
    limit: float = math.inf

    @contextmanager
    def within(self, timeout_s: float) -> Iterator[None]:
        """Let all calls of this thread in here, one after the other, take no longer than that together."""
        before = self.limit
        self.limit = min(before, time.monotonic() + timeout_s)
        try:
            yield
        finally:
            self.limit = before

    def begin(self, timeout_s: float) -> None:
        """Begin a call that may take so long, or what is left."""
        self.deadline = min(time.monotonic() + timeout_s, self.limit)
        self.timeout_s = timeout_s
        self.error = None


class _Bounded(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """Gives every remote call what is left of its thread's budget, and lets none be tried again.

    pymilvus tries an unreachable server up to 75 times, and its time-out holds for each attempt; it stops at an
    error that it does not know. How often to ask again is for the caller of the service to say.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """Make one remote call; raises ``EngineError``."""
        budget = self._budget
        left_s = budget.deadline - time.monotonic()
        if left_s <= 0:
            raise self._note(too_slow(budget.timeout_s))
        timeout_s = left_s if details.timeout is None else min(details.timeout, left_s)
        call = continuation(_Timed(details, timeout_s), request)
        code = call.code()
        if code is grpc.StatusCode.OK:
            self._check_rate(call.result())
        elif code is not grpc.StatusCode.UNIMPLEMENTED:  # which pymilvus makes up for, on older servers
            raise self._note(explain_rpc(code, call.details() or "", budget.timeout_s))
        return call

    def _check_rate(self, reply: Any) -> None:
        # pymilvus would ask again until its time is over.
        status = getattr(reply, "status", reply)
        if getattr(status, "code", 0) == _RATE_LIMIT or getattr(status, "error_code", 0) == _OLD_RATE_LIMIT:
            raise self._note(explain_status(_RATE_LIMIT, _OLD_RATE_LIMIT, ""))

    def _note(self, error: EngineError) -> EngineError:
        self._budget.error = error
        return error


class _Timed(grpc.ClientCallDetails):  # type: ignore[misc]
    """The details of a remote call, with another time-out."""

    def __init__(self, details: Any, timeout_s: float) -> None:
        self.method = details.method
        self.timeout = timeout_s
        self.metadata = details.metadata
        self.credentials = details.credentials
        self.wait_for_ready = details.wait_for_ready
        self.compression = details.compression


def open_channel(address: str, params: MilvusParams, budget: Budget) -> grpc.Channel:
    """Open a channel to ``http://host:port`` or ``https://…``, whose calls keep to their thread's budget.

    Nothing is sent yet. ``EngineRefused`` where a certificate cannot be read.
    """
    return grpc.intercept_channel(_open(address, params), _Bounded(budget))


def _open(address: str, params: MilvusParams) -> grpc.Channel:
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    target = f"{host}:{parts.port or (443 if params.is_secure else 19_530)}"
    if not params.is_secure:
        return grpc.insecure_channel(target, options=_CHANNEL_OPTIONS)
    try:
        root, key, chain = (
            None if path is None else path.read_bytes()
            for path in (params.ca_file, params.client_key, params.client_cert)
        )
    except OSError as error:
        raise EngineRefused(
            f"a certificate or key for Milvus cannot be read ({type(error).__name__})"
        ) from error
    options = _CHANNEL_OPTIONS
    if params.server_name:
        options = (*options, ("grpc.ssl_target_name_override", params.server_name))
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(root, key, chain), options=options)
