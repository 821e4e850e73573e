"""The page in a browser: first view, suggestions while typing, results after a choice, and the map."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import numpy as np

from indexer import index_version as versions
from indexer.benchmarks import findings
from indexer.benchmarks.findings import Findings, Table, tell
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.errors import ConfigError
from server.benchmarks.chromium import chromium
from server.benchmarks.gunicorn_process import HOST, SERVER, GunicornProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

LIBRARIES = ("playwright", "gunicorn", "flask", "faiss-cpu")
_SIZE: Final[ViewportSize] = {"width": 1440, "height": 900}
_PAN_STEPS = 240
_PATIENCE_MS = 60_000
#: Titles are cut to so many letters for the suggestions, the last letter but one left out of every other.
_SHORTEST, _LONGEST = 3, 12
#: Measure → (what is timed, the most it may take in ms).
_TARGETS = {
    "first view": (
        "first useful view: a fresh browser, from navigation to films and songs to choose from",
        1_000,
    ),
    "shared link": ("the same for a link to a song's films, to the first of them", 1_000),
    "suggestions": ("suggestions, from the last letter (40 ms of waiting for the next included)", 100),
    "results": ("results, from the key that chooses to the first card", 150),
    "map": ("map, from the click to where it can be moved", 2_000),
}
_LEAST_FPS = 50
#: Times in the page itself: ``watch`` keeps when a thing was first drawn after ``start``.
_STOPWATCH = """
(() => {
  const seen = {};
  const wanted = {};
  const look = () => {
    for (const [name, test] of Object.entries(wanted)) {
      if (test()) {
        delete wanted[name];
        requestAnimationFrame(() => { seen[name] = performance.now(); });
      }
    }
  };
  const when = (name, most_ms) => new Promise((resolve, reject) => {
    const began = performance.now();
    const ask = () => {
      if (name in seen) resolve(seen[name]);
      else if (performance.now() - began > most_ms) reject(new Error(`${name} was not drawn in ${most_ms} ms`));
      else setTimeout(ask, 20);
    };
    ask();
  });
  window.stopwatch = { seen, when, start: 0, watch(name, test) { delete seen[name]; wanted[name] = test; look(); } };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
  const picked = () => document.querySelectorAll(".wall .pick").length >= 2;
  const found = () => document.querySelector(".card:not(.waiting)");
  stopwatch.watch("first view", () => picked() || found());
})();
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--indexes", type=Path, required=True, help="a folder with a published version")
    parser.add_argument("--trials", type=int, default=20, help="times that each thing is done (20)")
    parser.add_argument("--port", type=int, default=0, help="a free port (any)")
    parser.add_argument("--seed", type=int, default=0)
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and deliver."""
    if options.trials < 1:
        raise ConfigError("there must be at least one trial")
    version = versions.open_version(options.indexes)
    try:
        rng = np.random.default_rng(options.seed)
        known = version.filters["tracks"].best_known
        rows = rng.choice(known[: 50 * options.trials], min(options.trials, len(known)), replace=False)
        songs = [(song.id, song.title) for song in version.store.tracks(rows.tolist())]
        name = version.name
    finally:
        version.close()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, chromium() as browser:
        server = GunicornProcess(
            SERVER,
            "/readyz",
            Path(scratch) / "server.log",
            options.port,
            (),
            SEGUE_INDEXES=options.indexes.resolve(),
            SEGUE_LOG_LEVEL="warning",
            SEGUE_REMOTE_POSTERS="off",
            SEGUE_FEEDBACK_URL="off",
        )
        with server:
            times_ms, fps = _measure(browser, f"http://{HOST}:{server.port}", songs)
        browser_version = browser.version
    rows_shown = [_row(measure, times_ms.get(measure, [])) for measure in _TARGETS]
    notes = [
        "Times are taken in the page, to the next frame after the thing was drawn.",
        "Songs are drawn from the best-known ones; each trial asks for another, so no reply is kept from before.",
        "A suggestion is chosen once the pictures of all suggestions are there.",
        "The browser has no graphics card here: what the map draws is drawn by the processor.",
    ]
    if not fps:
        notes.append("The map could not be measured: this version holds none.")
    found = Findings(
        "page",
        describe_surroundings(options.seed, LIBRARIES) | {"chromium": browser_version, "version": name},
        [
            Table(
                "In the browser, ms", ["", "median", "95th percentile", "slowest", "target", ""], rows_shown
            ),
            *([_fps_table(fps)] if fps else []),
        ],
        {"times_ms": times_ms, "frames_per_s": fps},
        notes,
    )
    findings.deliver(found, options)
    return 0


def _measure(
    browser: Browser, address: str, songs: Sequence[tuple[str, str]]
) -> tuple[dict[str, list[float]], list[float]]:
    times_ms: dict[str, list[float]] = {}
    for id, _ in songs:
        for measure, query in (("first view", ""), ("shared link", "?" + urlencode({"t": id}))):
            times_ms.setdefault(measure, []).append(_open_afresh(browser, f"{address}/{query}"))
    tell("views opened")
    context = browser.new_context(viewport=_SIZE)
    context.add_init_script(_STOPWATCH)
    page = context.new_page()
    for number, (_, title) in enumerate(songs):
        page.goto(address)
        _when(page, "first view")
        asked = title[: _SHORTEST + number % (_LONGEST - _SHORTEST)].strip() or title
        if number % 2 and len(asked) > _SHORTEST + 1:
            asked = asked[:-2] + asked[-1]
        times_ms.setdefault("suggestions", []).append(_type(page, asked))
        times_ms.setdefault("results", []).append(_choose(page))
    tell("titles typed and chosen")
    context.close()
    fps: list[float] = []
    for _ in songs[:5]:
        context = browser.new_context(viewport=_SIZE)
        context.add_init_script(_STOPWATCH)
        page = context.new_page()
        page.goto(address)
        _when(page, "first view")
        opened_ms = _open_map(page)
        if opened_ms is None:
            context.close()
            break
        times_ms.setdefault("map", []).append(opened_ms)
        fps.append(_pan(page))
        context.close()
    return times_ms, fps


def _open_afresh(browser: Browser, url: str) -> float:
    context = browser.new_context(viewport=_SIZE)
    try:
        context.add_init_script(_STOPWATCH)
        page = context.new_page()
        page.goto(url)
        return _when(page, "first view")
    finally:
        context.close()


def _when(page: Page, name: str) -> float:
    """Milliseconds from the navigation to the frame in which a watched thing was drawn."""
    return float(page.evaluate("([name, most_ms]) => stopwatch.when(name, most_ms)", [name, _PATIENCE_MS]))


def _type(page: Page, asked: str) -> float:
    """Type all but the last letter, let that settle, and time the last."""
    field = page.locator("#ask")
    field.press_sequentially(asked[:-1])
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """asked => {
            const field = document.getElementById("ask");
            field.addEventListener("input", () => { stopwatch.start = performance.now(); }, { once: true });
            stopwatch.watch("suggestions", () => document.querySelector("#suggestions li:last-child b")
              ?.textContent === `“${asked}”`);
        }""",
        asked,
    )
    field.press_sequentially(asked[-1])
    return _when(page, "suggestions") - float(page.evaluate("stopwatch.start"))


def _choose(page: Page) -> float:
    """Choose the first suggestion, once the pictures of all of them are there."""
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """() => {
            addEventListener("keydown", (event) => {
              if (event.key === "Enter") stopwatch.start = performance.now();
            }, { capture: true, once: false });
            stopwatch.watch("results", () => document.querySelector(".card:not(.waiting)"));
        }"""
    )
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    return _when(page, "results") - float(page.evaluate("stopwatch.start"))


def _open_map(page: Page) -> float | None:
    """Milliseconds from the click to the map's own mark; None where the page says that there is no map."""
    page.evaluate(
        """() => {
            const link = document.querySelector("#views [data-view=map]");
            link.addEventListener("pointerdown", () => { stopwatch.start = performance.now(); });
            stopwatch.watch("map", () => performance.getEntriesByName("map-ready").length
              || document.querySelector("#stage .map-view .note, #stage > .note"));
        }"""
    )
    page.locator("#views [data-view=map]").click()
    _when(page, "map")
    ready = page.evaluate("performance.getEntriesByName('map-ready')[0]?.startTime - stopwatch.start")
    return None if ready is None or ready != ready else float(ready)


def _pan(page: Page) -> float:
    """Frames a second while the map is dragged about."""
    box: Any = page.locator(".map-over").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.evaluate(
        """() => {
            stopwatch.frames = [];
            const count = (now) => {
              stopwatch.frames.push(now);
              stopwatch.frame = requestAnimationFrame(count);
            };
            stopwatch.frame = requestAnimationFrame(count);
        }"""
    )
    for step in range(_PAN_STEPS):
        turn = 2 * np.pi * step / 60
        page.mouse.move(middle[0] + 150 * float(np.sin(turn)), middle[1] + 100 * float(np.cos(turn)))
    frames = page.evaluate("(cancelAnimationFrame(stopwatch.frame), stopwatch.frames)")
    page.mouse.up()
    return float(1_000 * (len(frames) - 1) / (frames[-1] - frames[0]))


def _row(measure: str, times_ms: Sequence[float]) -> list[str]:
    what, most_ms = _TARGETS[measure]
    if not times_ms:
        return [what, "–", "–", "–", f"{most_ms:,}", "not measured"]
    median, slow = np.percentile(times_ms, [50, 95])
    met = "met" if slow <= most_ms else "met by the median" if median <= most_ms else "not met"
    return [what, f"{median:.0f}", f"{slow:.0f}", f"{max(times_ms):.0f}", f"{most_ms:,}", met]


def _fps_table(fps: Sequence[float]) -> Table:
    median, least = float(np.median(fps)), min(fps)
    met = "met" if least >= _LEAST_FPS else "met by the median" if median >= _LEAST_FPS else "not met"
    row = ["dragging the map", f"{median:.0f}", f"{least:.0f}", str(_LEAST_FPS), met]
    return Table("Frames a second", ["", "median", "least", "target", ""], [row])
