"""Wiring: settings and an opened index version in, a WSGI application out."""

from __future__ import annotations

import logging
from pathlib import Path

import flask_openapi3_swagger  # type: ignore[import-untyped]
from flask import Blueprint, Response, jsonify, render_template, request
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from indexer.errors import VersionError
from server.api import StrictJson, make_api
from server.metrics import register_metrics
from server.pages import make_pages
from server.problems import Problem, raise_refusal, register_problems
from server.search import Search
from server.settings import Settings

_log = logging.getLogger(__name__)

_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
#: Swagger UI sets styles on its elements and draws its icons from data: addresses.
_DOCS_POLICY = f"{_POLICY}; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
#: The report is one file with its styles inside, and needs nothing else.
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_POLICIES = {"docs.page": _DOCS_POLICY, "pages.report": _REPORT_POLICY}


def create_app(settings: Settings, search: Search | None = None) -> OpenAPI:
    """Make the application over ``search``, or over the published version where it is None.

    Without a usable version the application still starts; it answers searches and /readyz with 503.
    """
    app = OpenAPI(
        "server",
        info=Info(title="Segue", version="1.0.0", description="Search across songs and films."),
        doc_ui=False,
        validation_error_callback=raise_refusal,
        validation_error_model=Problem,
        static_folder="static",
        template_folder="templates",
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json = StrictJson(app)
    opened = search or _open(settings.indexes)

    def current() -> Search:
        if opened is None:
            raise VersionError("no index version was usable when the server started")
        return opened

    register_problems(app)
    register_metrics(app, opened.name if opened is not None else None)
    app.register_api(make_api(current))
    app.register_blueprint(make_pages(current))
    app.register_blueprint(_make_docs(app))
    app.after_request(_add_headers)
    return app


def create_app_from_environ() -> OpenAPI:
    """Make the application as the environment asks for it; ConfigError for a bad variable."""
    return create_app(Settings.from_environ())


def _open(indexes: Path) -> Search | None:
    try:
        return Search.open(indexes)
    except VersionError as error:
        _log.error("no index version can be served from %s: %s", indexes, error)
        return None


def _make_docs(app: OpenAPI) -> Blueprint:
    """Make the description of the API and a page to read it on, with Swagger UI from its package."""
    assets = Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger"
    docs = Blueprint("docs", __name__, static_folder=assets, static_url_path="/docs/assets")

    @docs.get("/openapi.json")
    def description() -> Response:
        return jsonify(app.api_doc)

    @docs.get("/docs")
    def page() -> str:
        return render_template("docs.html")

    return docs


def _add_headers(response: Response) -> Response:
    policy = _POLICIES.get(request.endpoint or "", _POLICY)
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    return response
