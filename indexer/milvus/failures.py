"""What goes wrong with Milvus, in Segue's errors: one line for people, without secrets or stacks."""

from __future__ import annotations

import re
from typing import Final

import grpc

from indexer.errors import EngineError, EngineMismatch, EngineMissing, EngineRefused, EngineUnavailable
from indexer.milvus.library import DataNotMatchException, MilvusException, ParamError

_LONGEST_REASON: Final = 200

# Status codes of a reply. Servers from 2.3 on fill in ``code``, older ones ``error_code``; see pkg/util/merr of Milvus.
_BUSY: Final = "is overloaded"
_STARTING: Final = "is not ready"
_FULL: Final = "takes no more data: it is full, or writing is switched off"
_UNAVAILABLE: Final[dict[int, str]] = {
    2: _STARTING,
    3: "has too little memory",
    4: _BUSY,
    7: _FULL,
    8: "limits the rate of requests",
    9: _FULL,
    10: "is behind with its writes",
    101: "has not loaded the collection",
    103: "is loading the collection",
    503: _STARTING,
}
_OLD_UNAVAILABLE: Final[dict[int, str]] = {
    24: "has too little memory",
    46: _STARTING,
    48: _FULL,
    49: "limits the rate of requests",
    52: "has too little memory",
    53: "has too little memory",
    54: _FULL,
    55: "is behind with its writes",
    56: _STARTING,
    57: _STARTING,
}
_REFUSED: Final = frozenset({1400, 1401})
_OLD_REFUSED: Final = frozenset({3})
_MISSING: Final = frozenset({100, 800, 1600})
_OLD_MISSING: Final = frozenset({4, 28})
_MISMATCH: Final = frozenset({1100, 1101, 1601, 1602})
_OLD_MISMATCH: Final = frozenset({5, 7, 9, 10, 62})

_REFUSED_SIGNS: Final = re.compile(r"auth check failure|unauthenticated|PermissionDenied", re.IGNORECASE)
_CERTIFICATE_SIGNS: Final = re.compile(
    r"CERTIFICATE|handshake|SSL_ERROR|Hostname Verification", re.IGNORECASE
)
#: Code 1 means that the service is not ready, or, from the client library, anything at all: the words decide.
_STARTING_SIGNS: Final = re.compile(r"not ready|not healthy|initializing|standby", re.IGNORECASE)
#: Many versions give one code for all that is wrong with a request; the words tell it from what is wrong with them.
_MISSING_SIGNS: Final = re.compile(
    r"\b(?:collection|alias|database)\b.*\b(?:not found|does not exist)", re.IGNORECASE
)
_MISMATCH_SIGNS: Final = re.compile(
    r"field \S+ not exist|unknown field|cannot parse expression|metric type not match|\bexpected dim\b|"
    r"already exists?\b|should divide the dim|get_sizeof|core dimension|topk? \[\d+\] is invalid",
    re.IGNORECASE,
)
_STACK: Final = re.compile(r"(?:,|:|\n)\s*(?:stack trace|/workspace/|/go/)", re.IGNORECASE)

NO_CREDENTIALS: Final = "Milvus refuses the credentials, or what they may do"


def explain_rpc(code: grpc.StatusCode, details: str, took_s: float) -> EngineError:
    """Put the status of a remote call that failed into an error."""
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return EngineRefused(NO_CREDENTIALS)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return too_slow(took_s)
    if code is grpc.StatusCode.UNAVAILABLE:
        if _CERTIFICATE_SIGNS.search(details):
            return EngineRefused("Milvus and this program do not trust each other's certificates")
        return EngineUnavailable("Milvus cannot be reached")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return EngineUnavailable("Milvus is overloaded, or was sent too much at once")
    if code is grpc.StatusCode.CANCELLED:
        return EngineUnavailable("the connection to Milvus was closed")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return EngineMismatch("Milvus does not understand the request")
    if _REFUSED_SIGNS.search(details):
        return EngineRefused(NO_CREDENTIALS)
    return EngineUnavailable(f"Milvus failed ({code.name.lower()})")


def explain_status(code: int, old_code: int, reason: str) -> EngineError:
    """Put the status inside a reply into an error; ``old_code`` is what servers before 2.3 set."""
    if code in _REFUSED or old_code in _OLD_REFUSED or _REFUSED_SIGNS.search(reason):
        return EngineRefused(NO_CREDENTIALS)
    for known, number in ((_UNAVAILABLE, code), (_OLD_UNAVAILABLE, old_code)):
        if number in known:
            return EngineUnavailable(f"Milvus {known[number]}")
    if code == 1 and _STARTING_SIGNS.search(reason):
        return EngineUnavailable(f"Milvus {_STARTING}")
    if code in _MISSING or old_code in _OLD_MISSING or _MISSING_SIGNS.search(reason):
        return EngineMissing(f"Milvus does not hold it: {clean(reason)}")
    if code in _MISMATCH or old_code in _OLD_MISMATCH or _MISMATCH_SIGNS.search(reason):
        return EngineMismatch(f"Milvus does not take the request: {clean(reason)}")
    return EngineUnavailable(f"Milvus failed: {clean(reason)}")


def explain_client(error: MilvusException) -> EngineError:
    """Put an error of the client library into one of ours."""
    if isinstance(error, ParamError | DataNotMatchException):
        return EngineMismatch(f"Milvus does not take the request: {clean(error.message)}")
    code = error.code if isinstance(error.code, int) else 1
    old_code = error.compatible_code if isinstance(error.compatible_code, int) else 1
    return explain_status(int(code), int(old_code), error.message)


def too_slow(took_s: float) -> EngineUnavailable:
    """Say that the engine did not answer in time."""
    return EngineUnavailable(f"Milvus did not answer within {took_s:.3g} s")


def clean(reason: str) -> str:
    """Cut a reason of the server down to its first line, without the stack that some versions append."""
    text = _STACK.split(reason, maxsplit=1)[0]
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"
