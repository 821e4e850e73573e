"""One line that a person wrote or a program exported: what in it can be the title, what the artist."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote_plus

from indexer.playlists.entries import Entry, Reading, shorten

#: Of a longer line the rest is not looked at.
LINE_CHARS = 1_000
#: Ways to take one line, at most.
_READINGS = 14

_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u3000]")
_UNSEEN = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_SPOTIFY = re.compile(
    r"^(?:spotify:track:|(?:https?://)?(?:open|play)\.spotify\.com/(?:intl-[a-z-]+/)?(?:embed/)?track/)"
    r"([0-9A-Za-z]{1,40})(?:[/?#]\S*)?$"
)
_SPOTIFY_LOCAL = re.compile(r"^spotify:local:([^:]*):([^:]*):([^:]*):\d*$")
_ID = re.compile(r"^[0-9A-Za-z]{22}$")

_TIME = r"(?:\d{1,2}:)?\d{1,3}:[0-5]\d"
_DURATION = re.compile(rf"(?:\s+[-–—|,·]\s*|\s*[(\[]\s*|\s+){_TIME}\s*[)\]]?\s*$")
_STARTS_AT = re.compile(rf"^[(\[]?{_TIME}[)\]]?\s*[-–—.:|)]?\s+")
_BULLET = re.compile(r"^(?:[-–—*•·▪●►>#]+\s+)")
_NUMBER = re.compile(
    r"^(?:#?\d{1,4}\s*[.):]\s*|\[?\d{1,4}\]\s*|\d{1,3}\s*[-–—_]\s+|0\d{1,3}\s+|#\d{1,4}\s+)(?=\S)"
)
#: A number and nothing else before the name, as in charts; as often it is the name's own.
_BARE_NUMBER = re.compile(r"^\d{1,3}\s+(?=\S)")
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "‘": "’"}

#: Between artist and title. Ordinary ones first: where these split a line, the rarer are not looked for.
_USUAL = re.compile(r"\t+|\s+[-‐‑‒–—―−]+\s+|\s*[–—―]\s*|\s+(?:\||//|~|·|•)\s+")
_COLON = re.compile(r"\s*:\s+")
_RARER = re.compile(r"\s+[-‐‑−]|[-‐‑−]\s+|\s+/\s+|\s*[,;|]\s*|\s*--+\s*")
_BY = re.compile(r"\s+by\s+", re.IGNORECASE)
#: What each such way is worth; order is told in nothing else, so "artist, title" goes first.
_SWAPPED, _RARE, _JOINT, _GAPPED = 0.995, 0.98, 0.97, 0.93


def read_line(line: int, text: str) -> Entry:
    """The entry of a line that has something in it: a Spotify link or id, or words that name a song."""
    whole = tidy(text[:LINE_CHARS])
    link = _SPOTIFY.match(whole)
    if link:
        return Entry(line, shorten(whole), id=link[1])
    local = _SPOTIFY_LOCAL.match(whole)
    if local:
        artist, _album, title = (unquote_plus(part) for part in local.groups())
        return Entry(line, shorten(f"{artist} – {title}"), f"{title} {artist}", (Reading(title, artist),))
    words = strip_frame(whole)
    readings = list_readings(words)
    unnumbered = _NUMBER.sub("", words)
    if unnumbered != words:
        # A number may be part of the name ("99 Luftballons"): both ways are kept, the likelier first.
        readings = (*list_readings(unnumbered), *readings)
        words = unnumbered if len(list_readings(unnumbered)) > 1 else words
    elif _BARE_NUMBER.match(words):
        counted = list_readings(_BARE_NUMBER.sub("", words))
        readings += tuple(replace(reading, weight=reading.weight * _RARE) for reading in counted)
    return Entry(line, shorten(whole), words, readings[: 2 * _READINGS], whole if _ID.match(whole) else "")


def tidy(text: str) -> str:
    """The text without characters that nobody sees, and with plain spaces."""
    return _SPACES.sub(" ", _UNSEEN.sub("", text)).strip()


def strip_frame(text: str) -> str:
    """The text without what stands around names in lists: bullets, times, quotation marks."""
    bare = _BULLET.sub("", text)
    bare = _STARTS_AT.sub("", bare) or bare
    bare = _DURATION.sub("", bare) or bare
    if len(bare) > 1 and _QUOTES.get(bare[0]) == bare[-1] and bare[0] not in bare[1:-1]:
        bare = bare[1:-1].strip() or bare
    if " " not in bare and "_" in bare:
        bare = bare.replace("_", " ").strip()
    return bare


def list_readings(words: str) -> tuple[Reading, ...]:
    """Every way to take a line: split at each separator, either side first, or as one run of words."""
    found: list[Reading] = []
    for match in _BY.finditer(words):
        found += _split(words, match, swapped=True, weight=1.0)
    marks = list(_USUAL.finditer(words))
    for match in marks:
        found += _split(words, match, swapped=False, weight=1.0)
    if len(marks) > 1:
        # "Artist - Album - Title", "Title - Artist - Album": the middle or the end is neither.
        first, last = words[: marks[0].start()], words[marks[-1].end() :]
        found.append(Reading(_unquote(last), _unquote(first), _GAPPED))
        cells = [_unquote(cell) for cell in words.split("\t") if cell.strip()]
        if len(cells) > 2:
            found += [Reading(cells[1], cells[0]), Reading(cells[0], cells[1])]
    colons = list(_COLON.finditer(words))[:2]
    for match in colons:
        found += _split(words, match, swapped=False, weight=_RARE)
    if not marks and not colons:
        for match in _RARER.finditer(words):
            found += _split(words, match, swapped=False, weight=_RARE)
    # A dash may be the title's own ("Queen Bohemian Rhapsody - Live"), and then nothing parts the two.
    found.append(Reading(words, "", _GAPPED if marks else _JOINT))
    return (*dict.fromkeys(found[:-1][: _READINGS - 1]), found[-1])


def _split(words: str, match: re.Match[str], swapped: bool, weight: float) -> list[Reading]:
    left, right = _unquote(words[: match.start()]), _unquote(words[match.end() :])
    if not (left and right):
        return []
    ways = [Reading(right, left, weight), Reading(left, right, weight)]
    if swapped:
        ways.reverse()
    return [ways[0], Reading(ways[1].title, ways[1].artist, weight * _SWAPPED)]


def _unquote(text: str) -> str:
    text = text.strip()
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    return text
