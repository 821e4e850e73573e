"""A Flask application that does nothing: the most that this server could reach on the same settings."""

from __future__ import annotations

from flask import Flask, Response, jsonify

_WORD = "segue "


class _NothingToFollow:
    """Stands where gunicorn.conf.py expects what follows the index versions."""

    def start(self) -> None:
        """Do nothing."""

    def wait(self, timeout_s: float) -> bool:  # noqa: ARG002
        """Say that all is open."""
        return True

    def stop(self, timeout_s: float) -> None:
        """Do nothing."""


def create_app(large_bytes: int) -> Flask:
    """Make an application with a small fixed reply at /small and one of about ``large_bytes`` at /large, both JSON."""
    app = Flask("bare")
    app.extensions["live_search"] = _NothingToFollow()
    text = (_WORD * (large_bytes // len(_WORD) + 1))[:large_bytes]

    @app.get("/small")
    def small() -> Response:
        return jsonify(status="ok")

    @app.get("/large")
    def large() -> Response:
        return jsonify(text=text)

    return app
