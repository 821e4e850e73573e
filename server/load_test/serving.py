"""A server of its own for the load test: gunicorn as in production, on a free port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.load_test.samples import LoadTestFailed
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
_HOST = "127.0.0.1"
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.1
#: What would change the figures without a word in the report, or refuse the requests.
_UNSET = (
    "GUNICORN_CMD_ARGS",
    "SEGUE_API_KEYS",
    "SEGUE_API_KEYS_FILE",
    "SEGUE_RATE_LIMIT",
    "SEGUE_RATE_LIMIT_STORE",
    "SEGUE_MAX_BODY_BYTES",
    "PROMETHEUS_MULTIPROC_DIR",
)


@contextmanager
def serve(indexes: Path, log: Path) -> Iterator[str]:
    """Serve ``indexes`` with the repository's gunicorn.conf.py, and yield the address once it is ready.

    What the server writes goes to ``log``. Raises ``LoadTestFailed`` where it does not become ready.
    """
    port = _free_port()
    host = f"http://{_HOST}:{port}"
    # By env, since only server.settings reads the environment.
    command = ["env", *(word for name in _UNSET for word in ("-u", name))]
    command += [f"SEGUE_INDEXES={indexes}", f"HOST={_HOST}", f"PORT={port}"]
    command += [
        sys.executable,
        "-m",
        "gunicorn",
        "-c",
        "gunicorn.conf.py",
        "server.app:create_app_from_environ()",
    ]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream)
        try:
            _wait_until_ready(process, host, log)
            yield host
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def describe_server() -> dict[str, int]:
    """The settings of a server started here that its figures depend on."""
    settings = Settings.from_environ()
    return {"workers": settings.workers, "threads": settings.threads, "max_requests": settings.max_requests}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    reason = "no reply"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LoadTestFailed(f"the server ended with code {process.returncode}: {_last_line(log)}")
        try:
            with urllib.request.urlopen(f"{host}/readyz", timeout=5.0):
                return
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"/readyz answers {error.code}"
        except OSError as error:
            reason = str(error)
        time.sleep(_POLL_S)
    raise LoadTestFailed(
        f"the server was not ready within {_START_TIMEOUT_S:g} s: {reason}; {_last_line(log)}"
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"
