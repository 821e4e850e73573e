"""``python -m indexer playlist``: which songs of a playlist the published version has."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from indexer.commands import AddCommand
from indexer.errors import BadPlaylist, UnreadableFile
from indexer.index_version import open_version
from indexer.playlists.reading import MAX_PLAYLIST, decode, read_playlist
from indexer.playlists.resolving import Candidate, Resolution, resolve

_ABOUT = (
    "Find the songs of a playlist (lines “artist – title”, CSV, Exportify's CSV or M3U, told by content) in the "
    "published version. Searching by them is the server's part: POST /v1/playlist takes the same text."
)


def add_to(command: AddCommand) -> None:
    """Declare the command."""
    parser = command("playlist", _run, _ABOUT)
    parser.add_argument("file", type=Path, help="the playlist; - for standard input")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _run(options: argparse.Namespace) -> None:
    entries = read_playlist(_read(options.file))
    version = open_version(options.indexes)
    try:
        resolution = resolve(version.store, entries)
    finally:
        version.close()
    if options.json:
        shown = {"index_version": version.name, **_spell_out(resolution)}
        sys.stdout.write(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(_write_out(resolution))


def _read(file: Path) -> str:
    # One byte more than can hold a playlist tells that it is too long, without reading all of a film.
    most = 4 * MAX_PLAYLIST + 1
    if str(file) == "-":
        data = sys.stdin.buffer.read(most)
    elif not file.is_file():
        raise UnreadableFile(f"{file} is not a file")
    else:
        with file.open("rb") as stream:
            data = stream.read(most)
    try:
        return decode(data)
    except BadPlaylist as error:
        raise BadPlaylist(f"{file}: {error}") from error


def _write_out(resolution: Resolution) -> str:
    lines = []
    for found in resolution.resolved:
        lines.append(f"{found.entry.line:5}  {found.confidence:.2f}  {_name(found)}  ({found.track.id})")
    for missed in resolution.unresolved:
        lines.append(f"{missed.entry.line:5}   –    {missed.entry.text}")
        lines += [f"{'':7}near: {near.confidence:.2f}  {_name(near)}" for near in missed.candidates]
    lines.append(
        f"{len(resolution.resolved)} found, {len(resolution.unresolved)} not found, "
        f"{resolution.duplicates} given twice"
    )
    return "\n".join(lines) + "\n"


def _name(one: Any) -> str:
    return f"{', '.join(one.track.artists)} – {one.track.title}"


def _spell_out(resolution: Resolution) -> dict[str, Any]:
    return {
        "resolved": [
            {
                "line": one.entry.line,
                "text": one.entry.text,
                **_spell_song(Candidate(one.track, one.confidence)),
            }
            for one in resolution.resolved
        ],
        "unresolved": [
            {
                "line": one.entry.line,
                "text": one.entry.text,
                "candidates": [_spell_song(near) for near in one.candidates],
            }
            for one in resolution.unresolved
        ],
        "duplicates": resolution.duplicates,
    }


def _spell_song(one: Candidate) -> dict[str, Any]:
    track = one.track
    return {
        "id": track.id,
        "confidence": one.confidence,
        "title": track.title,
        "artists": list(track.artists),
        "album": track.album,
        "year": track.year,
    }
