"""Which index version is served: publish, go back, and delete old ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer.errors import VersionError, VersionNotFound, VersionWorse
from indexer.index_folder import (
    CURRENT,
    HISTORY,
    PARTIAL,
    current_name,
    folder_of,
    remove_leftovers,
    replace_text,
    report_file,
)
from indexer.index_version import IndexVersion, list_names, open_version, read_manifest

#: How much worse a version's figures on known pairs may be than the served one's: recalls as shares, in points.
CARD_TOLERANCES = {"recall_100": -0.03, "median_percentile": 3.0}


def publish(indexes: Path, name: str, force: bool = False) -> None:
    """Make a version the served one, after verifying it; the caller holds ``lock``.

    Raises ``VersionWorse`` where its relevance card is worse than the served one's beyond a tolerance, unless forced.
    """
    version = open_version(indexes, name)
    version.close()
    try:
        before = current_name(indexes)
    except VersionNotFound:
        before = ""
    if before and before != name and not force:
        refuse_worse(indexes / before, version)
    if before and before != name:
        replace_text(indexes / HISTORY, "".join(f"{n}\n" for n in [*_read_names(indexes / HISTORY), before]))
    replace_text(indexes / CURRENT, f"{name}\n")


def refuse_worse(served: Path, version: IndexVersion) -> None:
    """Raise ``VersionWorse`` where a version's relevance card is worse than the ``served`` one's beyond a tolerance."""
    try:
        old = read_manifest(served).get("relevance")
    except VersionError:
        return  # what is served cannot be read, so anything that verifies is better
    new = version.manifest.get("relevance")
    if not old or not new:
        return
    for way in ("song_to_film", "film_to_song"):
        for figure, tolerance in CARD_TOLERANCES.items():
            was, now = old[way][figure]["value"], new[way][figure]["value"]
            # A recall should not fall, a percentile not rise: tolerances carry the sign.
            if (now - was) * np.sign(tolerance) > abs(tolerance):
                raise VersionWorse(
                    f"{version.name} is built but not published: its {figure} {way.replace('_', ' ')} is {now}, "
                    f"that of {served.name} is {was}; publish it with --force to serve it all the same"
                )


def rollback(indexes: Path) -> str:
    """Serve the version that was served before the current one, and return its name; the caller holds ``lock``."""
    now = current_name(indexes)
    past = _read_names(indexes / HISTORY)
    while past:
        name = past.pop()
        if name != now and folder_of(indexes, name).is_dir():
            open_version(indexes, name).close()
            # CURRENT first: should this be cut short, the history merely names the served version once more.
            replace_text(indexes / CURRENT, f"{name}\n")
            replace_text(indexes / HISTORY, "".join(f"{n}\n" for n in past))
            return name
    raise VersionError(f"there is no earlier version than {now} to go back to")


def prune(indexes: Path, keep: int) -> list[str]:
    """Delete all but the newest ``keep`` versions, the served one and the one served before; returns what went.

    The one before stays since a running server may answer from it for some seconds yet, or for longer where it had to
    refuse the newest. Reports of deleted versions go with them. The caller holds ``lock``.
    """
    names = list_names(indexes)
    kept = {
        current_name(indexes),
        *_read_names(indexes / HISTORY)[-1:],
        *_needed_elsewhere(indexes),
        *names[len(names) - keep if keep else len(names) :],
    }
    gone = [name for name in names if name not in kept]
    for name in gone:
        # Renamed first, so that a version is either whole or gone.
        doomed = indexes / f"{PARTIAL}{name}"
        (indexes / name).rename(doomed)
        report_file(indexes, name).unlink(missing_ok=True)
    remove_leftovers(indexes)
    return gone


def engine_history(indexes: Path, engine: str) -> list[str]:
    """The versions that ``engine`` has served, oldest first; the last one is served now, as far as is known here."""
    return _read_names(indexes / f"{HISTORY}-{engine}")


def note_served(indexes: Path, engine: str, names: Sequence[str]) -> None:
    """Replace the history of ``engine``; the caller holds ``lock``."""
    replace_text(indexes / f"{HISTORY}-{engine}", "".join(f"{name}\n" for name in names))


def _needed_elsewhere(indexes: Path) -> set[str]:
    """Versions whose folders a server on another engine needs: those that it serves, and served before."""
    files = indexes.glob(f"{HISTORY}-*")
    return {name for file in files for name in _read_names(file)[-2:]}


def _read_names(history: Path) -> list[str]:
    """Names of versions, oldest first; none where nothing was served before."""
    try:
        return history.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []
