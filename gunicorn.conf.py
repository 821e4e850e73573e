"""How gunicorn serves Segue: one process, so that the indexes are in memory once, and threads within it."""

from server.settings import Settings

_settings = Settings.from_environ()

bind = (
    f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
)
workers = 1
worker_class = "gthread"
threads = _settings.threads
# Requests under way may end before the process does.
graceful_timeout = _settings.stop_timeout_s
# Nothing is steered through gunicorn's control socket, which would lie in the home folder.
control_socket_disable = True
