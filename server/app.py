"""Wiring: settings and an opened index version in, a WSGI application out."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import flask_openapi3_swagger  # type: ignore[import-untyped]
from flask import Blueprint, Response, g, jsonify, render_template
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from server.access import SECURITY_SCHEMES, register_access
from server.api import StrictJson, make_api
from server.audio_api import add_audio
from server.engine import make_engine
from server.feedback_api import add_feedback
from server.headers import register_headers
from server.item_look_up import ItemLookUp
from server.leases import Lease
from server.live_search import LiveSearch, open_search
from server.logs import configure_logs, register_logs
from server.map_api import add_map
from server.metrics import Metrics, register_metrics
from server.pages import make_pages
from server.picks_api import add_picks
from server.pictures import make_pictures
from server.playlist_api import add_playlist
from server.problems import Problem, raise_refusal, register_problems
from server.search import Search
from server.settings import Settings

#: Where an application keeps its ``LiveSearch``, in ``extensions``.
LIVE_SEARCH = "live_search"


def create_app(settings: Settings, search: Search | None = None, open_now: bool = True) -> OpenAPI:
    """Make the application over ``search``, or over the published version where it is None, and follow that.

    Without a usable version the application still starts; it answers searches and /readyz with 503 until there is
    one. A process that will fork sets ``open_now`` to False, so that nothing is opened, and no thread runs, before
    the first request or ``start`` of ``extensions[LIVE_SEARCH]``.
    """
    app = OpenAPI(
        "server",
        info=Info(title="Segue", version="1.0.0", description="Search across songs and films."),
        doc_ui=False,
        validation_error_callback=raise_refusal,
        validation_error_model=Problem,
        security_schemes=SECURITY_SCHEMES,
        static_folder="static",
        template_folder="templates",
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json = StrictJson(app)
    register_problems(app, lambda error: live.note(error))
    # Hooks run in this order before a request, in the opposite one after it.
    register_logs(app, lambda: _name_version(live))
    metrics = register_metrics(app, folder=settings.metrics_folder)
    register_headers(app, settings)
    register_access(app, settings, metrics.on_key_file_error)
    live = _make_live(settings, metrics) if search is None else LiveSearch.over(search)
    if search is not None:
        metrics.on_open(search.name)
    elif open_now:
        live.look()
    app.extensions[LIVE_SEARCH] = live
    app.before_request(live.start)
    app.teardown_appcontext(_end_lease)

    def current() -> Search:
        return _lease(live)

    api = make_api(current, lambda: live.refused, ItemLookUp(settings.keys), lambda: live.engine_error)
    add_playlist(app, api, current, settings.max_playlist_bytes)
    add_picks(api, current)
    add_map(api, current)
    add_audio(app, api, current)
    add_feedback(app, api, current, settings)
    app.register_api(api)
    app.register_blueprint(make_pages(current, settings))
    app.register_blueprint(make_pictures(current, settings.posters, settings.covers))
    app.register_blueprint(_make_docs(app))
    return app


def create_app_from_environ() -> OpenAPI:
    """Make the application as the environment asks for it, for a server that forks; ConfigError for a bad variable."""
    settings = Settings.from_environ()
    configure_logs(settings)
    return create_app(settings, open_now=False)


def _make_live(settings: Settings, metrics: Metrics) -> LiveSearch:
    def on_swap(name: str, before: str | None) -> None:
        if before is None:
            metrics.on_open(name)
        else:
            metrics.on_swap(name)

    engine = make_engine(settings)
    opener = partial(open_search, on_stage=metrics.on_stage, engine=engine)
    return LiveSearch(settings.indexes, settings.poll_s, opener, on_swap, metrics.on_refusal, engine)


def _lease(live: LiveSearch) -> Search:
    """Give the request one ``Search`` for all of its duration, whatever is published meanwhile."""
    if "lease" not in g:
        g.lease = live.take()
    search: Search = g.lease.search
    return search


def _end_lease(error: BaseException | None) -> None:  # noqa: ARG001
    lease: Lease | None = g.pop("lease", None)
    if lease is not None:
        lease.end()


def _name_version(live: LiveSearch) -> str | None:
    return g.lease.search.name if "lease" in g else live.name


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
