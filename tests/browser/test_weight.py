"""What a browser has to load of the page."""

from __future__ import annotations

import gzip
from pathlib import Path

APP = Path(__file__).resolve().parents[2] / "server" / "static" / "app"
MOST_JAVASCRIPT_BYTES = 250_000


def test_all_javascript_of_the_page_is_small() -> None:
    scripts = {path.relative_to(APP).as_posix(): path.read_bytes() for path in APP.rglob("*.js")}
    assert {"main.js", "views/search.js", "views/map.js"} <= set(scripts)
    compressed = sum(len(gzip.compress(script, 6)) for script in scripts.values())
    assert compressed <= MOST_JAVASCRIPT_BYTES
