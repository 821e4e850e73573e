"""The methods by name: the published systems and the floors, to fit in a build and to open in a version.

Importing this loads no library that fitting needs; a method's own module loads when it is asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.errors import ConfigError, MissingMaterial

if TYPE_CHECKING:
    from indexer.methods.method import Material, Method

_logger = logging.getLogger(__name__)

#: Name → module and class, in the order in which they are listed everywhere: floors first.
METHODS: dict[str, tuple[str, str]] = {
    "popularity": ("popularity", "Popularity"),
    "random": ("random_order", "RandomOrder"),
    "text-cosine": ("text_cosine", "TextCosine"),
    "crosstune": ("crosstune", "Crosstune"),
    "music2movie": ("music2movie", "Music2Movie"),
    "music2movie-aligned": ("music2movie", "Music2MovieAligned"),
    "spotiflix-sentiment": ("spotiflix_sentiment", "SpotiflixSentiment"),
    "spotiflix-clusters": ("spotiflix_clusters", "SpotiflixClusters"),
    "spotiflix-mel": ("spotiflix_mel", "SpotiflixMel"),
    "collaborative": ("collaborative", "Collaborative"),
    "lyrics-cover": ("lyrics_cover", "LyricsCover"),
}
_ALL, _NONE = "all", "none"


def names() -> list[str]:
    """All methods' names, floors first."""
    return list(METHODS)


def get(name: str) -> type[Method]:
    """The class of a method; raises ``ConfigError`` naming the known ones."""
    if name not in METHODS:
        raise ConfigError(f"unknown method {name!r}; known are {', '.join(METHODS)}")
    module, kind = METHODS[name]
    found: type[Method] = getattr(import_module(f"{__name__}.{module}"), kind)
    return found


def choose(spec: Sequence[str]) -> list[str]:
    """The methods that names, "all" or "none" stand for, each once, in listed order; raises ``ConfigError``."""
    for name in spec:
        if name not in (_ALL, _NONE):
            get(name)
    if _NONE in spec:
        if len(set(spec)) > 1:
            raise ConfigError('methods: "none" cannot stand beside others')
        return []
    return [name for name in METHODS if _ALL in spec or name in spec]


def fit_methods(
    spec: Sequence[str],
    material: Material,
    folder: Path,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, dict[str, Any]]:
    """Fit the methods that ``spec`` stands for and write each into ``folder``/<name>; what the manifest says of them.

    Name → ``{"about", "seconds", "facts"}``, or ``{"missing": why}`` for one that lacks its material and is wanted
    by "all" alone. One that is named raises its ``MissingMaterial``; other errors (a file that was given but
    cannot be read) are raised in any case. ``on_progress`` is told ("methods", done, total).
    """
    chosen = choose(spec)
    found: dict[str, dict[str, Any]] = {}
    for done, name in enumerate(chosen):
        if on_progress is not None:
            on_progress("methods", done, len(chosen))
        start = time.perf_counter()
        try:
            method = get(name).fit(material)
        except MissingMaterial as error:
            if name in spec:
                raise
            _logger.warning("%s is not in this version: %s", name, error)
            found[name] = {"missing": str(error)}
            continue
        folder.mkdir(parents=True, exist_ok=True)
        method.write(folder / name)
        seconds = round(time.perf_counter() - start, 3)
        found[name] = {"about": method.about, "seconds": seconds, "facts": dict(method.facts)}
    if on_progress is not None and chosen:
        on_progress("methods", len(chosen), len(chosen))
    return found


def open_method(folder: Path, name: str) -> Method:
    """Open one method of a version from ``folder``/<name>; raises ``ConfigError`` or ``VersionDamaged``."""
    return get(name).open(folder / name)
