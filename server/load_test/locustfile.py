"""What locust runs: users that deal out the scenarios. Loaded by locust's own process only, since it patches sockets.

The client is the one of requests, which sends a request once. locust's faster one sends it again, unseen, where a kept-
open connection turns out to be closed, and a dropped request must be seen here.
"""

from __future__ import annotations

import csv
import itertools
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from locust import HttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from server.load_test.measurements import COLUMNS
from server.load_test.replies import Reply, WrongReply
from server.load_test.samples import Samples, key_header
from server.load_test.scenarios import MIX, Request, deal

#: No scenario takes longer on a server that works; what does is an error.
_TIMEOUT_S = 30.0

_numbers = itertools.count()
_measured: list[tuple[float, str, float, int, str, str]] = []


def _add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--samples", help="what to ask about")
    parser.add_argument("--measured", help="where every request is written to")
    parser.add_argument("--key-file", help="file with the API key")
    parser.add_argument("--seed", type=int, help="of the choices that users make")


def _prepare(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    assert options is not None
    Listener.samples = Samples.read(Path(options.samples))
    Listener.seed = options.seed
    Listener.headers = key_header(
        Path(options.key_file).read_text("ascii").strip() if options.key_file else ""
    )
    environment.events.quit.add_listener(lambda **_: _write(Path(options.measured)))  # type: ignore[no-untyped-call]


def _write(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows(_measured)


events.init_command_line_parser.add_listener(_add_arguments)  # type: ignore[no-untyped-call]
events.init.add_listener(_prepare)  # type: ignore[no-untyped-call]


class Listener(HttpUser):
    """Asks one thing after another, as fast as replies come, and never asks again."""

    samples: ClassVar[Samples]
    seed: ClassVar[int]
    headers: ClassVar[dict[str, str]]

    def on_start(self) -> None:
        """Take a random stream of its own."""
        self.rng = random.Random(f"{self.seed}-{next(_numbers)}")
        self.cards = deal(self.rng)
        self.client.headers.update(self.headers)

    @task
    def ask_next(self) -> None:
        """Play the next scenario."""
        name = next(self.cards)

        def ask(request: Request, check: Callable[[Reply], Any]) -> Any:
            return self._ask(name, request, check)

        MIX[name][1](ask, self.rng, self.samples)

    def _ask(self, name: str, request: Request, check: Callable[[Reply], Any]) -> Any:
        data = request.raw.encode() if request.raw is not None else None
        fault, version, result = "", "", None
        started_at = time.time()
        with self.client.request(
            request.method,
            request.path,
            name=name,
            catch_response=True,
            json=request.body,
            data=data,
            headers={"Content-Type": request.media_type} if data is not None else None,
            timeout=_TIMEOUT_S,
        ) as response:
            try:
                if response.status_code == 0:
                    raise WrongReply(f"no reply: {type(getattr(response, 'error', None)).__name__}")
                reply = _as_reply(response)
                if isinstance(reply.body, dict):
                    version = str(reply.body.get("index_version", ""))
                result = check(reply)
                response.success()
            except WrongReply as error:
                fault = str(error)
                response.failure(fault)
            except (KeyError, TypeError, AttributeError) as error:
                fault = f"the reply has another shape: {type(error).__name__} {error}"
                response.failure(fault)
            took_ms = response.request_meta["response_time"]
        _measured.append((started_at, name, took_ms, response.status_code, version, fault))
        return result


def _as_reply(response: Any) -> Reply:
    media_type = response.headers.get("Content-Type", "").partition(";")[0]
    try:
        body = response.json()
    except ValueError:
        body = None
    return Reply(response.status_code, media_type, body)
