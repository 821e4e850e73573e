"""Headers of every reply: what a browser may do with it, who may cache it, and which other sites may read it.

Encrypted transport, and with it Strict-Transport-Security, is the business of the proxy in front.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask, Response, request

from server.settings import Settings

_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
#: Posters may come from TMDb's host, where the settings allow it.
_POSTERS_POLICY = f"{_POLICY}; img-src 'self' https://image.tmdb.org"
#: Swagger UI sets styles on its elements and draws its icons from data: addresses.
_DOCS_POLICY = f"{_POLICY}; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
#: The report is one file with its styles inside, and needs nothing else.
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_POLICIES = {"docs.page": _DOCS_POLICY, "pages.report": _REPORT_POLICY}
_FIXED = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
#: Addresses hold searches and a new version changes answers; pages may be kept for the way back.
_API_CACHING = "no-store"
_PAGE_CACHING = "no-cache"
_PREFLIGHT = (
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, X-API-Key, X-Request-ID"),
    ("Access-Control-Max-Age", "600"),
)
_EXPOSED = "Retry-After, X-Request-ID"


def register_headers(app: Flask, settings: Settings) -> None:
    """Add the headers to every reply of ``app``; other sites may read the API's if ``settings`` names them."""
    origins = frozenset(settings.cors_origins)
    policies = _POLICIES | ({"pages.home": _POSTERS_POLICY} if settings.remote_posters == "on" else {})

    @app.after_request
    def add_headers(response: Response) -> Response:
        endpoint = request.endpoint or ""
        headers = response.headers
        headers.add("Content-Security-Policy", policies.get(endpoint, _POLICY))
        if "Cache-Control" not in headers:
            headers.add("Cache-Control", _PAGE_CACHING if endpoint.startswith("pages.") else _API_CACHING)
        if origins and _is_api(endpoint):
            _open_to(origins, response)
        return response

    inner = app.wsgi_app

    def add_fixed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # Here, as adding them one by one to a Response takes several times as long.
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, headers + _FIXED, *exc_info)

        return inner(environ, start)

    app.wsgi_app = add_fixed  # type: ignore[method-assign]


def _is_api(endpoint: str) -> bool:
    # Without an endpoint the reply is a problem, which a caller elsewhere needs to read, too.
    return not endpoint or endpoint.startswith("api.") or endpoint == "docs.description"


def _open_to(origins: frozenset[str], response: Response) -> None:
    """Let pages of the named sites read a reply.

    Exact comparison, and no cookies: nothing here goes by who the browser's user is. Flask-CORS would read some
    origins as regular expressions.
    """
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers.extend(_PREFLIGHT)
    else:
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
