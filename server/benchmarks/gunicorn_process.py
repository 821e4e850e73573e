"""A gunicorn of one's own to measure: started with the repository's gunicorn.conf.py, and always stopped."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from indexer.errors import SegueError

ROOT = Path(__file__).resolve().parents[2]
SERVER = "server.app:create_app_from_environ()"
HOST = "127.0.0.1"
#: How every server of one's own is started, before the application.
GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py")
_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.005


class ServerFailed(SegueError):
    """The server under measurement did not start or did not answer as it should; the message says how."""


class GunicornProcess:
    """A context in which a server runs. ``application``: as gunicorn names it; ``variables``: its environment.

    ``unset``: variables that it must not inherit.
    """

    def __init__(
        self,
        application: str,
        ready_path: str,
        log: Path,
        port: int = 0,
        unset: Sequence[str] = (),
        **variables: str | int | Path,
    ) -> None:
        self.port = port or _free_port()
        self.ready_s = 0.0
        self._application = application
        self._ready_path = ready_path
        self._log = log
        # By env, since only server.settings reads the environment.
        self._variables = [word for name in unset for word in ("-u", name)]
        self._variables += [f"{name}={value}" for name, value in variables.items()]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The master's process id."""
        if self._process is None:
            raise ServerFailed("the server was not started")
        return self._process.pid

    def workers(self, count: int) -> list[int]:
        """The process ids of the workers, once there are ``count``; ServerFailed where that takes too long."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        deadline = time.perf_counter() + _READY_TIMEOUT_S
        while time.perf_counter() < deadline:
            found = [int(child) for child in children.read_text(encoding="ascii").split()]
            if len(found) == count:
                return found
            time.sleep(_POLL_S)
        raise ServerFailed(f"{count} workers were asked for and {len(found)} run")

    def __enter__(self) -> GunicornProcess:
        command = [
            *("env", *self._variables, f"HOST={HOST}", f"PORT={self.port}"),
            *(*GUNICORN, self._application),
        ]
        began = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            self._wait(began + _READY_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise
        self.ready_s = time.perf_counter() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server; by force where it does not end by itself."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def get(self, path: str, method: str = "GET", body: str = "") -> tuple[int, bytes]:
        """Status and body of one request over a connection of its own. OSError where there is none."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body or None, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def get_json(self, path: str, method: str = "GET", body: str = "") -> dict[str, Any]:
        """The object of a 200 reply; ServerFailed for any other."""
        status, reply = self.get(path, method, body)
        if status != 200:
            raise ServerFailed(
                f"{method} {path} was answered with {status}: {reply[:200].decode(errors='replace')}"
            )
        decoded: dict[str, Any] = json.loads(reply)
        return decoded

    def _wait(self, deadline: float) -> None:
        while time.perf_counter() < deadline:
            if self._process is None or self._process.poll() is not None:
                said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise ServerFailed(f"the server ended at once: {said[-1] if said else 'it said nothing'}")
            try:
                if self.get(self._ready_path)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass  # not listening yet
            time.sleep(_POLL_S)
        raise ServerFailed(f"{self._ready_path} gave no 200 within {_READY_TIMEOUT_S:.0f} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
