"""What a playlist is read into: entries, each with the ways in which its words can be meant."""

from __future__ import annotations

from dataclasses import dataclass

#: An entry's text is shown up to this many characters.
SHOWN_CHARS = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to take an entry: this title by these artists. ``weight`` in (0, 1]: how usual that way is."""

    title: str
    artist: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One song of a playlist as it was given. ``line`` counts from 1, in the text that was read.

    ``text`` is for people, ``words`` what to look up by. ``id`` is a track id, empty where none was given. An entry
    without readings is known by its id alone.
    """

    line: int
    text: str
    words: str = ""
    readings: tuple[Reading, ...] = ()
    id: str = ""


def shorten(text: str) -> str:
    """The text as it is shown: its first ``SHOWN_CHARS`` characters, on one line."""
    shown = " ".join(text.split())
    return shown if len(shown) <= SHOWN_CHARS else shown[: SHOWN_CHARS - 1] + "…"
