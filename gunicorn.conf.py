"""How gunicorn serves Segue: code is loaded once and forked; each worker opens the version, and answers in threads."""

import gc
from typing import Any

from server.settings import Settings, drop_shared_metrics, share_metrics

_settings = Settings.from_environ()
# Before anything imports prometheus_client, which looks for the folder then.
_metrics_folder = share_metrics(_settings)

bind = (
    f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
)
workers = _settings.workers
# Gunicorn's "gthread", except that slow clients hold no thread and a stop leaves no accepted connection behind.
worker_class = "server.buffering_worker.BufferingWorker"
threads = _settings.threads
# Loads the code before the fork, so that workers share it. What holds threads or files is opened after it.
preload_app = True
# A worker whose event loop is silent for so long is replaced; a request that takes longer is cut off.
timeout = _settings.request_timeout_s
keepalive = _settings.keepalive_s
# Workers do not end together: each takes up to a tenth more.
max_requests = _settings.max_requests
max_requests_jitter = _settings.max_requests // 10
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
# Requests under way may end before the process does.
graceful_timeout = _settings.stop_timeout_s
# Nothing is steered through gunicorn's control socket, which would lie in the home folder.
control_socket_disable = True


def when_ready(server: Any) -> None:  # noqa: ARG001
    """Keep the garbage collector off what workers share: its marks would make copies of the pages."""
    gc.collect()
    gc.freeze()


def post_worker_init(worker: Any) -> None:
    """Open the published version before the worker accepts connections, and follow it from then on."""
    live = worker.wsgi.extensions["live_search"]
    live.start()
    while worker.alive and not live.wait(timeout_s=1):
        worker.notify()  # a large version takes a while, which the master would take for a hang


def worker_exit(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Stop following, so that nothing is opened while the process ends."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["live_search"].stop(timeout_s=2)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Take a worker that ended out of the figures of the living."""
    from server.metrics import forget_worker

    forget_worker(worker.pid, _metrics_folder)


def on_exit(server: Any) -> None:
    """Delete what was temporary, unless a new master has taken it over."""
    if not server.reexec_pid:
        drop_shared_metrics()
