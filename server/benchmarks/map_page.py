"""The map on a running server, in the system's Chromium: time until it can be used, bytes, frames while it moves."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.benchmarks.chromium import ARGUMENTS, NoBrowser, find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Error

#: WebGL by the processor, for machines without a graphics card.
_SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
_NO_GL = ("--disable-3d-apis",)
#: Two steps to one side, two back, one a frame: what a hand that drags the map does at its fastest.
_PAN = """async ([frames, key]) => {
  const over = document.querySelector(".map-over");
  const times = [];
  const back = { ArrowLeft: "ArrowRight", "+": "-" }[key];
  await new Promise((done) => {
    const step = (now) => {
      times.push(now);
      if (times.length > frames) return done();
      over.dispatchEvent(new KeyboardEvent("keydown", { key: times.length % 4 < 2 ? key : back, cancelable: true }));
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  return times;
}"""
_READY = "() => performance.getEntriesByName('map-ready')[0]?.startTime ?? null"
_BYTES = """() => performance.getEntriesByType("resource").map((one) =>
  [new URL(one.name).pathname, one.encodedBodySize, one.decodedBodySize])"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--address", default="http://127.0.0.1:8000", help="of the running server")
    parser.add_argument("--runs", type=int, default=5, help="how often the page is opened anew")
    parser.add_argument("--frames", type=int, default=300, help="frames of each measurement")
    parser.add_argument("--no-webgl", action="store_true", help="take WebGL away: the plain canvas")
    parser.add_argument("--size", default="1440x1000", help="of the window, in pixels")
    parser.add_argument("--picture", type=Path, help="write a picture of the last run here")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--query", default="view=map", help="what follows the ? in the address")


def run(options: argparse.Namespace) -> int:
    """Print the median over runs of when the map can be used, and frames a second while it moves."""
    path = find_chromium()
    if path is None:
        raise NoBrowser("there is no Chromium here (on Debian: apt-get install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise NoBrowser("Playwright is not installed: pip install -r requirements-dev.txt") from error
    width, height = map(int, options.size.split("x"))
    gl = _NO_GL if options.no_webgl else _SOFTWARE_GL
    ready: list[float] = []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *gl])
        for number in range(options.runs):
            context = launched.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if options.dark else "light"
            )
            page = context.new_page()
            wrong: list[str] = []
            page.on("pageerror", _keep_error(wrong))
            page.on("console", _keep_message(wrong))
            page.goto(f"{options.address}/?{options.query}")
            page.wait_for_function(_READY, timeout=120_000)
            ready.append(page.evaluate(_READY))
            if number == options.runs - 1:
                page.wait_for_timeout(1_500)
                _report(page, options)
            for message in wrong:
                sys.stdout.write(f"the page said: {message}\n")
            context.close()
        launched.close()
    shown = ", ".join(f"{one:,.0f}" for one in ready)
    sys.stdout.write(f"map drawn after {statistics.median(ready):,.0f} ms (median of {shown})\n")
    return 0


def _keep_error(wrong: list[str]) -> Callable[[Error], None]:
    return lambda error: wrong.append(str(error))


def _keep_message(wrong: list[str]) -> Callable[[ConsoleMessage], None]:
    return lambda one: wrong.append(one.text) if one.type == "error" else None


def _report(page: Any, options: argparse.Namespace) -> None:
    if options.picture is not None:
        page.screenshot(path=str(options.picture))
    sys.stdout.write(f"drawn by: {page.evaluate('document.querySelector(`.map-frame`).dataset.drawn')}\n")
    for name, key in (("panning", "ArrowLeft"), ("zooming", "+")):
        times = page.evaluate(_PAN, [options.frames, key])
        steps = sorted(after - before for before, after in pairwise(times))
        rate = 1_000 * len(steps) / sum(steps)
        slow = steps[int(0.95 * len(steps))]
        sys.stdout.write(f"{name}: {rate:.1f} frames a second, 95 of 100 within {slow:.1f} ms\n")
    sizes = page.evaluate(_BYTES)
    scripts = [(name, sent) for name, sent, _ in sizes if name.endswith(".js")]
    own = [(name, sent) for name, sent in scripts if "/map" in name]
    points = [(sent, whole) for name, sent, whole in sizes if name == "/v1/map"]
    sys.stdout.write(f"scripts: {sum(sent for _, sent in scripts):,} bytes as sent, ")
    sys.stdout.write(f"the map's own {sum(sent for _, sent in own):,}\n")
    for sent, whole in points:
        sys.stdout.write(f"points: {sent:,} bytes as sent, {whole:,} unpacked\n")


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
