"""Requests that a description allows, requests that it does not, and bodies of any kind: never a 5xx.

Schemathesis makes requests from /openapi.json and checks each reply against it; hypothesis makes bodies of searches
that no description would come up with.
"""

from __future__ import annotations

import json
import logging
import random
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException, Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from indexer.filter_columns import Filters
from server.app import create_app
from server.search import METHODS, Search
from server.settings import Settings
from tests.faults.small_index import start_warm
from tests.faults.verdict import Verdict

CLAIM = "0 replies with 5xx, 0 replies that /openapi.json does not describe"
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_PROBLEM = {"type", "title", "status", "detail", "errors"}


def run_api(indexes: Path | None, examples: int, chosen_seed: int) -> Verdict:
    """Ask each operation ``examples`` times with what it allows and with what it does not; then odd bodies."""
    verdict = Verdict("api", CLAIM)
    with tempfile.TemporaryDirectory() as made:
        search = Search.open(indexes or start_warm(Path(made)).indexes)
        # Feedback is kept beside the version that is asked, and a limit on it would hide what is behind.
        app = create_app(Settings(indexes=Path(made), feedback_rate=""), search)
        # Refusals and the like are what is asked for here; their log would bury the verdict.
        logging.disable(logging.CRITICAL)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _ask_as_described(verdict, app, examples, chosen_seed)
                _ask_oddly(verdict, app, search, 5 * examples, chosen_seed)
        finally:
            logging.disable(logging.NOTSET)
            search.close()
    return verdict.finish()


def _quiet(examples: int) -> Any:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def _ask_as_described(verdict: Verdict, app: Any, examples: int, chosen_seed: int) -> None:
    description = app.test_client().get("/openapi.json").get_json()
    if (
        "securitySchemes" in description["components"]
        and description["components"]["securitySchemes"] is None
    ):
        verdict.fail("/openapi.json: components.securitySchemes is null, which OpenAPI does not allow")
        del description["components"]["securitySchemes"]  # what else there is shall still be found
    schema = schemathesis.openapi.from_dict(description)
    schema.app = app
    statuses: dict[str, int] = {}
    for found in schema.get_all_operations():
        if not isinstance(found, Ok):
            verdict.fail(f"/openapi.json: {found.err()}")
            continue
        operation = found.ok()
        verdict.count("operations")
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                run = given(case=operation.as_strategy(generation_mode=mode))(
                    _quiet(examples)(_asker(verdict, mode, statuses))
                )
                seed(chosen_seed)(run)()
            except Unsatisfiable:
                verdict.count("operations without anything to get wrong")
            except HypothesisException as error:
                verdict.fail(f"{operation.label}, {mode.value}: {type(error).__name__}: {error}")
    verdict.figures["statuses"] = dict(sorted(statuses.items()))


def _asker(verdict: Verdict, mode: GenerationMode, statuses: dict[str, int]) -> Callable[[Any], None]:
    def ask(case: Any) -> None:
        reply = case.call()
        verdict.count(f"requests, {mode.value}")
        statuses[str(reply.status_code)] = statuses.get(str(reply.status_code), 0) + 1
        try:
            case.validate_response(reply, checks=_CHECKS)
        except (Failure, FailureGroup) as failure:
            reasons = getattr(failure, "exceptions", [failure])
            text = "; ".join(" ".join(str(reason).split())[:300] for reason in reasons)
            verdict.fail(f"{case.method} {case.formatted_path}: {reply.status_code}: {text}")

    return ask


#: Text with what breaks programs: lone surrogates, controls, direction marks, emoji, what is no character.
_ODD_TEXT = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(categories=("Cs", "Cc", "Cf", "Co", "So", "Mn")), max_size=20),
    st.sampled_from(["\x00", "\ud800", "\udfff\ud800", "\u202egnp", "\ufeff", "a\u0301" * 50, "\uffff"]),
)
_NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, -0.0, 1e308, -1e308, 5e-324, 2**63, -(2**63) - 1, 10**400]),
)
_FILTER_VALUES = _NUMBERS | st.booleans() | st.lists(_ODD_TEXT, max_size=3)
_ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _ODD_TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_ODD_TEXT, inner, max_size=4)),
    max_leaves=12,
)
_FILTERS = [field.name for field in fields(Filters)]


def _bodies(search: Search, chosen_seed: int) -> st.SearchStrategy[Any]:
    """Searches that are right but for one or two parts, and bodies that are nothing at all."""
    chance = random.Random(chosen_seed)
    known: dict[str, list[str]] = {}
    for medium in ("tracks", "movies"):
        found = search.look_up(medium, "the", 40)
        known[medium] = [item.id for _, item in found] or ["none"]
        chance.shuffle(known[medium])
    right: dict[str, st.SearchStrategy[Any]] = {
        "target": st.sampled_from(["movies", "tracks"]),
        "text": st.sampled_from(["rain", "a long way home", ""]) | _ODD_TEXT,
        "tracks": st.lists(st.sampled_from(known["tracks"]), max_size=4),
        "movies": st.lists(st.sampled_from(known["movies"]), max_size=4),
        "limit": st.integers(1, 1000),
        "offset": st.integers(0, 100_000),
        "explain": st.booleans(),
        "diversity": st.floats(0, 1),
        "popularity": st.none() | st.floats(0, 1),
        "mood": st.fixed_dictionaries({}, optional={"valence": st.floats(-1, 1), "energy": st.floats(-1, 1)}),
        "method": st.sampled_from(METHODS),
        "filters": st.dictionaries(st.sampled_from(_FILTERS), _FILTER_VALUES, max_size=3),
        "avoid": st.fixed_dictionaries(
            {}, optional={"text": _ODD_TEXT, "tracks": st.lists(_ODD_TEXT, max_size=3)}
        ),
    }
    optional = {name: strategy for name, strategy in right.items() if name != "target"}
    sound = st.fixed_dictionaries({"target": right["target"]}, optional=optional)
    spoilt = st.builds(
        lambda body, name, value: {**body, name: value},
        sound,
        st.sampled_from(list(right)) | _ODD_TEXT,
        _ANYTHING,
    )
    return st.one_of(sound, spoilt, _ANYTHING)


_RAW = st.one_of(
    st.binary(max_size=200),
    st.integers(1, 30_000).map(lambda depth: b'{"target":' + b"[" * depth),
    st.integers(1, 10_000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth),
    st.integers(1, 30_000).map(
        lambda digits: b'{"target":"movies","text":"a","limit":' + b"9" * digits + b"}"
    ),
    st.sampled_from(
        [
            b'{"target":"movies","target":"tracks","text":"a"}',
            b'{"target":"movies","text":"\\ud800"}',
            b'{"target":"movies","text":"a","diversity":NaN}',
            b'{"target":"movies","text":"a","diversity":1e999}',
            b"\xff\xfe{\x00}\x00",
            b"\xed\xa0\x80",
            b"",
            b"null",
        ]
    ),
)


def _ask_oddly(verdict: Verdict, app: Any, search: Search, examples: int, chosen_seed: int) -> None:
    client = app.test_client()
    kinds = ["application/json"] * 8 + [
        "text/plain",
        "application/json; charset=utf-16",
        "",
        "application/xml",
    ]

    def ask(body: Any, kind: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = client.post("/v1/search", data=data, content_type=kind)
        verdict.count("odd bodies")
        verdict.count(f"odd bodies answered with {reply.status_code}")
        about = f"{data[:200]!r} as {kind!r}: {reply.status_code}"
        if reply.status_code == 200:
            verdict.expect(reply.mimetype == "application/json" and _is_json(reply.data), f"{about}: no JSON")
        elif verdict.expect(
            reply.status_code in (400, 404, 409, 413, 415, 422), f"{about}: {reply.data[:200]!r}"
        ):
            right = reply.mimetype == "application/problem+json" and set(reply.json) == _PROBLEM
            verdict.expect(
                right and reply.json["status"] == reply.status_code, f"{about}: {reply.data[:200]!r}"
            )

    run = given(body=_bodies(search, chosen_seed) | _RAW, kind=st.sampled_from(kinds))(_quiet(examples)(ask))
    seed(chosen_seed)(run)()


def _is_json(data: bytes) -> bool:
    def refuse(name: str) -> Any:
        raise ValueError(name)

    try:
        json.loads(data, parse_constant=refuse)
    except ValueError:
        return False
    return True
