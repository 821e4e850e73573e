"""Playlists of media players: M3U, with or without its header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from indexer.playlists.entries import Entry, Reading, shorten
from indexer.playlists.lines import list_readings, read_line

_HEADER = re.compile(r"^#EXT(?:M3U|INF)\b", re.IGNORECASE)
_INFO = re.compile(r'^#EXTINF:\s*-?[\d.]*(?:\s+[\w-]+="[^"]*")*\s*,(.*)$', re.IGNORECASE)
_ARTIST = re.compile(r"^#EXTART:(.*)$", re.IGNORECASE)
_FILE = re.compile(
    r"\.(?:mp3|m4a|m4b|aac|flac|ogg|oga|opus|wav|wma|aif|aiff|ape|alac|mka|mp4|webm)(?:[?#].*)?$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^(?:\d{1,2}[-.])?\d{1,3}(?:\s*[-._)]\s*|\s+)(?=\D)")
#: Folders say less surely who plays than a name does.
_BY_FOLDER = 0.97


def is_m3u(text: str) -> bool:
    """Whether it is an M3U: by a header of that kind, or because most lines name music files."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(_HEADER.match(line) for line in lines):
        return True
    named = [line for line in lines if not line.startswith("#")]
    return bool(named) and 2 * sum(bool(_FILE.search(line)) for line in named) > len(named)


def read_m3u(text: str) -> Iterator[Entry]:
    """The entries of an M3U: by the line that describes a file, or else by the file's name and folders."""
    described: tuple[int, str] | None = None
    artist = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        info, performer = _INFO.match(line), _ARTIST.match(line)
        if info:
            if described is not None:
                yield _describe(*described, artist)
            described, artist = (number, info[1].strip()) if info[1].strip() else None, ""
        elif performer:
            artist = performer[1].strip()
        elif line and not line.startswith("#"):
            entry = read_line(number, line)
            if entry.id and not entry.readings:
                yield entry
            elif described is not None:
                yield _describe(*described, artist)
            else:
                yield read_path(number, line)
            described, artist = None, ""
    if described is not None:
        yield _describe(*described, artist)


def _describe(number: int, text: str, artist: str) -> Entry:
    if not artist:
        return read_line(number, text)
    return Entry(number, shorten(f"{artist} – {text}"), f"{text} {artist}", (Reading(text, artist),))


def read_path(number: int, path: str) -> Entry:
    """The entry of a file: its name as a line, or as a title by whom its folders are named after."""
    is_address = "://" in path
    parts = re.split(r"[/\\]+", unquote(path.split("?")[0]) if is_address else path)
    name = _FILE.sub("", parts[-1])
    name = name.replace("_", " ") if " " not in name else name
    unnumbered = _NUMBER.sub("", name).strip() or name
    readings = list(list_readings(unnumbered))
    if unnumbered != name:
        readings += list_readings(name)
    folders = [part for part in parts[:-1] if part and not part.endswith(":")][-2:]
    # "Artist/Album/Title" and "Artist/Title".
    readings += [Reading(unnumbered, folder, _BY_FOLDER) for folder in folders]
    words = " ".join([unnumbered, *folders[:1]])
    return Entry(number, shorten(path), words, tuple(dict.fromkeys(readings)))
