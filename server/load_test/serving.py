"""A server of its own for the load test: gunicorn as in production, on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.benchmarks.gunicorn_process import HOST, SERVER, GunicornProcess, ServerFailed
from server.load_test.samples import LoadTestFailed
from server.settings import Settings

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
    log.unlink(missing_ok=True)
    server = GunicornProcess(SERVER, "/readyz", log, unset=_UNSET, SEGUE_INDEXES=indexes)
    try:
        server.__enter__()
    except ServerFailed as error:
        raise LoadTestFailed(str(error)) from error
    try:
        yield f"http://{HOST}:{server.port}"
    finally:
        server.stop()


def describe_server() -> dict[str, int]:
    """The settings of a server started here that its figures depend on."""
    settings = Settings.from_environ()
    return {"workers": settings.workers, "threads": settings.threads, "max_requests": settings.max_requests}
