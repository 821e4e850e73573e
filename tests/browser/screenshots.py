"""Take the pictures of docs/img: each view of the starter version, light and dark, on a desk and on a phone.

Posters of others are never in them: the server has none, and draws its own.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from indexer.build import build
from indexer.config import BuildConfig
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS
from server.benchmarks.chromium import chromium

from .walking import World, open_page, serving, watched

OUTPUT = Path(__file__).resolve().parents[2] / "docs" / "img"
SIZES = {"desk": (1280, 860), "phone": (390, 844)}
#: Name of the picture → its address.
VIEWS = {
    "start": "",
    "songs-of-a-film": "?m=casablanca-1942",
    "films-and-songs": "?q=lonely+night+in+the+city&bright=-0.5",
    "taste": "?view=taste&m=donnie-darko-2001&m=suspiria-1977",
    "map": "?view=map&m=casablanca-1942",
    "compare": "?view=compare&m=casablanca-1942&against=text-cosine",
    "report": "?view=report",
}
MOST_BYTES = 300_000
_COLOURS = 192


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures that are asked for."""
    parser = argparse.ArgumentParser(prog="screenshots", description="Take the pictures of docs/img.")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS))
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as scratch:
        indexes = _build(Path(scratch) / "indexes")
        with serving(indexes) as address, chromium() as browser:
            for colours in ("light", "dark"):
                for device, (width, height) in SIZES.items():
                    size = {"width": width, "height": height}
                    with watched(browser, viewport=size, color_scheme=colours, reduced_motion="reduce") as (
                        page,
                        _,
                    ):
                        for view in options.views:
                            open_page(page, World(address, ("", ""), ("", "")), VIEWS[view])
                            _take(page, options.output / f"{view}-{device}-{colours}.png")
    return 0


def _build(indexes: Path) -> Path:
    build(
        BuildConfig(
            movies=MOVIES,
            tracks=TRACKS,
            soundtracks=SOUNDTRACKS,
            indexes=indexes,
            methods=("random", "text-cosine"),
        )
    )
    return indexes


def _take(page: Page, file: Path) -> None:
    """Write what is in the window as a PNG of few colours."""
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    size_bytes = file.stat().st_size
    if size_bytes > MOST_BYTES:
        raise SystemExit(f"{file.name} has {size_bytes:,} bytes, more than {MOST_BYTES:,}")
    sys.stdout.write(f"{file.name}: {size_bytes / 1_000:.0f} kB\n")


if __name__ == "__main__":
    sys.exit(main())
