"""A server of its own, as users start it, with a port of its own; and a client that never retries."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.benchmarks.gunicorn_process import GUNICORN, HOST, ROOT, SERVER

_START_S = 90.0
_STOP_S = 40.0


@dataclass(frozen=True)
class Reply:
    """A status, the headers and the body of a reply."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass
class ServerProcess:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, path: str, body: Any = None, timeout_s: float = 30.0) -> Reply:
        """One request on a connection of its own; OSError or HTTPException where it fails."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout_s)
        try:
            return send(connection, path, body)
        finally:
            connection.close()

    def pids(self) -> list[int]:
        """The processes that serve, the one that looks after them first."""
        found = [self.process.pid]
        for parent in found:
            children = Path(f"/proc/{parent}/task/{parent}/children")
            found += [int(pid) for pid in children.read_text(encoding="ascii").split()]
        return found

    def resident_bytes(self) -> int:
        """Resident memory of all processes together (PSS: a shared page counts once)."""
        total = 0
        for pid in self.pids():
            facts = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            line = next(line for line in facts.splitlines() if line.startswith("Pss:"))
            total += int(line.split()[1]) * 1024
        return total

    def ready(self) -> dict[str, Any]:
        """What /readyz says."""
        return dict(self.ask("/readyz").json())

    def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the condition is true; False when it is not in time or the server ended."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if condition():
                    return True
            except (OSError, http.client.HTTPException, ValueError):
                pass  # not listening yet
            time.sleep(0.02)
        return False


def send(connection: http.client.HTTPConnection, path: str, body: Any = None) -> Reply:
    """One request; a body makes it a POST of JSON."""
    if body is None:
        connection.request("GET", path)
    else:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, data, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())


@contextmanager
def start_server(
    indexes: Path, port: int, settings: Mapping[str, str] | None = None, wait: bool = True
) -> Iterator[ServerProcess]:
    """Serve ``indexes``; RuntimeError where the server does not become ready."""
    with tempfile.NamedTemporaryFile(suffix=".log", delete=False) as log:
        environ = (
            os.environ
            | {"SEGUE_INDEXES": str(indexes), "HOST": HOST, "PORT": str(port)}
            | dict(settings or {})
        )
        # Threads of BLAS as users have them, not as the forking rows need them.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environ.pop(name, None)
        process = subprocess.Popen(
            [*GUNICORN, SERVER],
            cwd=ROOT,
            env=environ,
            stdout=log,
            stderr=log,
        )
    server = ServerProcess(process, port, Path(log.name))
    try:
        if wait and not server.wait_for(lambda: server.ask("/readyz").status == 200, _START_S):
            raise RuntimeError(f"the server is not ready:\n{server.log.read_text(errors='replace')[-2000:]}")
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        server.log.unlink()


@dataclass
class Load:
    """Requests that clients make one after another until told to stop; nothing is sent twice."""

    server: ServerProcess
    requests: Sequence[tuple[str, Any]]
    clients: int = 4
    fresh_connections: bool = False
    judge: Callable[[str, Any, Reply], str | None] = lambda _path, _body, _reply: None
    seconds: list[tuple[float, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def between(self, start: float, end: float) -> list[float]:
        """Seconds of the requests begun between two moments (``time.perf_counter``)."""
        return [took for begun, took in self.seconds if start <= begun < end]

    def _run(self, number: int) -> None:
        connection: http.client.HTTPConnection | None = None
        turn = number
        while not self._stop.is_set():
            path, body = self.requests[turn % len(self.requests)]
            turn += 1
            if connection is None:
                connection = http.client.HTTPConnection(HOST, self.server.port, timeout=30)
            begun = time.perf_counter()
            try:
                reply = send(connection, path, body)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{path}: {type(error).__name__}: {error}")
                connection.close()
                connection = None
                continue
            self.seconds.append((begun, time.perf_counter() - begun))
            wrong = f"status {reply.status}: {reply.body[:200]!r}" if reply.status != 200 else None
            wrong = wrong or self.judge(path, body, reply)
            if wrong:
                self.failures.append(f"{path}: {wrong}")
            if self.fresh_connections or reply.headers.get("connection") == "close":
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def percentile_ms(seconds: Sequence[float], share: float) -> float:
    """The nearest-rank percentile, in milliseconds; NaN of nothing."""
    if not seconds:
        return float("nan")
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]
