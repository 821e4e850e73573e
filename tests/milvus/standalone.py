"""Milvus' standalone server, as the package ``milvus==2.3.5`` carries it: started, stopped, killed, found again.

The package's own launcher is left aside. The child it starts outlives it, two of them quarrel about etcd's port, and
its template has no place for a password. Here the server is one process group with a configuration of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import secrets
import select
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from indexer.errors import EngineError, EngineRefused
from indexer.milvus.connection import Connection
from indexer.milvus.params import MilvusParams
from tests.milvus.standalone_files import (
    HOST,
    StandaloneError,
    choose_ports,
    find_package,
    is_free,
    replace_text,
    unpack_programs,
    write_configuration,
)

_START_S = 120.0
_STOP_S = 5.0
_END_S = 15.0
_FIRST_PASSWORD: Final = "Milvus"


@dataclass(frozen=True)
class _Running:
    """What is noted about a server that was started: its process group, when that began, and its ports."""

    group: int
    started_ticks: int
    ports: Mapping[str, int]


class Standalone:
    """One server with its folder; everything about it is found there again, by another process too."""

    def __init__(self, folder: Path, environment: Path, settings: Mapping[str, Any] | None = None) -> None:
        self.folder = folder.resolve()
        self._environment = environment
        self._settings = dict(settings or {})

    @property
    def is_running(self) -> bool:
        """Whether its process is there, answering or not."""
        return self._find() is not None

    @property
    def port(self) -> int:
        """The port to connect to; StandaloneError where it was never started."""
        return self._read_state().ports["proxy"]

    @property
    def uri(self) -> str:
        """The address to connect to."""
        return f"http://{HOST}:{self.port}"

    @property
    def token(self) -> str:
        """``user:password`` of the administrator."""
        try:
            return f"root:{(self.folder / 'password').read_text(encoding='ascii')}"
        except FileNotFoundError:
            raise StandaloneError(
                f"{self.folder / 'password'} is missing; delete the folder and start anew"
            ) from None

    @property
    def group(self) -> int:
        """The process group that it runs in."""
        running = self._find()
        if running is None:
            raise StandaloneError("the server does not run")
        return running.group

    def params(self, **changes: Any) -> MilvusParams:
        """How to connect to it."""
        return MilvusParams(**({"uri": self.uri, "token": self.token} | changes))

    def start(self, port: int = 0) -> None:
        """Start it and wait until it answers to its password; does nothing where it runs. StandaloneError otherwise.

        ``port`` 0 keeps the port of last time, or takes a free one.
        """
        package = find_package(self._environment)
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            (self.folder / ".gitignore").write_text("*\n", encoding="ascii")
        with (self.folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.is_running:
                running = self._read_state()
            else:
                running = self._start_anew(package, port)
            self._wait_until_healthy(running)
            self._take_password()

    def stop(self) -> None:
        """Stop its whole process group, by force where it has to be, and wait until its port is closed."""
        running = self._find()
        if running is not None:
            os.killpg(running.group, signal.SIGTERM)
            if not _wait_for_end(running.group, _STOP_S):
                self.kill()
        self._wait_until_closed()

    def kill(self) -> None:
        """End its whole process group with SIGKILL and wait until it is gone."""
        running = self._find()
        if running is None:
            return
        os.killpg(running.group, signal.SIGKILL)
        if not _wait_for_end(running.group, _END_S):
            raise StandaloneError(f"process group {running.group} does not end")

    def freeze(self) -> None:
        """Let it do nothing until ``thaw``: connections are accepted by the system, and never answered."""
        os.killpg(self.group, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.killpg(self.group, signal.SIGCONT)

    def change(self, settings: Mapping[str, Any]) -> None:
        """Change settings, now and for the next start; Milvus reads its configuration again within seconds."""
        self._settings.update(settings)
        package = find_package(self._environment)
        write_configuration(self.folder, package, self._read_state().ports, self._settings)

    def wait_until_open(self, timeout_s: float = _START_S) -> None:
        """Wait until it takes its password and answers; StandaloneError where it does not in time."""
        problem = self._ask_until(self.token, timeout_s)
        if problem is not None:
            raise StandaloneError(f"the server does not answer: {problem}") from problem

    def _ask_until(self, token: str, timeout_s: float) -> EngineError | None:
        """Ask until there is an answer, or the token is refused; gives what was wrong at the end."""
        connection = Connection(self.params(token=token))
        end = time.monotonic() + timeout_s
        try:
            while True:
                try:
                    connection.call("list_collections")
                except EngineError as error:
                    if isinstance(error, EngineRefused) or time.monotonic() > end:
                        return error
                    time.sleep(0.1)
                else:
                    return None
        finally:
            connection.close()

    # Its process

    def _start_anew(self, package: Path, port: int) -> _Running:
        try:
            before = dict(self._read_state().ports)
        except StandaloneError:
            before = {}
        ports = choose_ports(before | ({"proxy": port} if port else {}))
        programs = unpack_programs(package)
        write_configuration(self.folder, package, ports, self._settings)
        self._make_password()
        environ = os.environ | {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(ports["health"]),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(programs),
        }
        with (self.folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "milvus", "run", "standalone"],
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a process group of its own
            )
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))  # it aborts when it is stopped
        process.returncode = 0  # it is meant to go on without us
        running = _Running(process.pid, _started_ticks(process.pid) or 0, ports)
        facts = {"group": running.group, "started_ticks": running.started_ticks, "ports": ports}
        replace_text(self.folder / "server.json", json.dumps(facts))
        return running

    def _make_password(self) -> None:
        path = self.folder / "password"
        if path.exists():
            return
        if (self.folder / "etcd").exists():
            raise StandaloneError(f"{self.folder} holds data but no password; delete it and start anew")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))

    # Where it is now

    def _read_state(self) -> _Running:
        try:
            facts = json.loads((self.folder / "server.json").read_text(encoding="utf-8"))
            return _Running(facts["group"], facts["started_ticks"], facts["ports"])
        except FileNotFoundError:
            raise StandaloneError(f"no server was started in {self.folder}") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StandaloneError(f"{self.folder / 'server.json'} cannot be read; delete it") from error

    def _find(self) -> _Running | None:
        try:
            running = self._read_state()
        except StandaloneError:
            return None
        # The number alone may belong to another process by now.
        return running if _started_ticks(running.group) == running.started_ticks else None

    def _wait_until_healthy(self, running: _Running) -> None:
        end = time.monotonic() + _START_S
        address = f"http://{HOST}:{running.ports['health']}/healthz"
        while time.monotonic() < end:
            if _started_ticks(running.group) != running.started_ticks:
                raise StandaloneError(f"the server ended while it started; see {self.folder / 'server.log'}")
            try:
                with urllib.request.urlopen(address, timeout=5) as reply:
                    if reply.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass  # not listening yet
            time.sleep(0.1)
        raise StandaloneError(
            f"the server is not ready within {_START_S:g} s; see {self.folder / 'server.log'}"
        )

    def _take_password(self) -> None:
        """Replace the password that Milvus comes with by ours, unless that was done before."""
        if self._settings.get("common.security.tlsMode"):
            return  # its users bring certificates and check by themselves
        problem = self._ask_until(self.token, _START_S)
        if not isinstance(problem, EngineRefused):
            if problem is not None:
                raise StandaloneError(f"the server does not answer: {problem}") from problem
            return
        first = Connection(self.params(token=f"root:{_FIRST_PASSWORD}"))
        try:
            first.call("update_password", "root", _FIRST_PASSWORD, self.token.removeprefix("root:"))
        except EngineError as error:
            raise StandaloneError(f"its password cannot be set: {error}") from error
        finally:
            first.close()
        self.wait_until_open()

    def _wait_until_closed(self) -> None:
        try:
            port = self.port
        except StandaloneError:
            return
        end = time.monotonic() + _END_S
        while not is_free(port):
            if time.monotonic() > end:
                raise StandaloneError(f"something still listens at port {port}")
            time.sleep(0.05)


def _started_ticks(pid: int) -> int | None:
    """When a process began, in the kernel's ticks; None where it is gone, or dead and not yet waited for."""
    try:
        facts = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return None
    return None if facts[0] in ("Z", "X") else int(facts[19])


def _wait_for_end(group: int, timeout_s: float) -> bool:
    """Wait until no process of a group is left; False where one is."""
    end = time.monotonic() + timeout_s
    try:
        handle = os.pidfd_open(group)
    except ProcessLookupError:
        pass
    else:
        try:
            waiting = select.poll()
            waiting.register(handle, select.POLLIN)
            waiting.poll(timeout_s * 1000)
        finally:
            os.close(handle)
    with contextlib.suppress(ChildProcessError):  # where it is another process's child
        os.waitpid(group, os.WNOHANG)
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
