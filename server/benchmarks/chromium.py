"""The system's Chromium, driven by Playwright: how it is found and started."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from indexer.errors import SegueError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Debian's and others' names of it; a browser of Playwright's own is never downloaded.
NAMES = ("chromium", "chromium-browser", "google-chrome")
#: What the browser does by itself, on hosts of its maker among others, is no part of the page.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class NoBrowser(SegueError):
    """There is no Chromium, or no Playwright to drive it; the message says what to install."""


def find_chromium() -> str | None:
    """The path of the system's Chromium; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the length of the context; raises ``NoBrowser``."""
    path = find_chromium()
    if path is None:
        raise NoBrowser("there is no Chromium here (on Debian: apt-get install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NoBrowser("Playwright is not installed: pip install -r requirements-dev.txt") from error
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield launched
        finally:
            launched.close()
