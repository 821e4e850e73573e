"""What a song or film is looked up by, where there is no id."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """A title, and what else is known: the artist says nothing about a film, the year may be off by one."""

    title: str
    artist: str | None = None
    year: int | None = None

    @property
    def key(self) -> tuple[str, str | None, int | None]:
        """The same for all that differ in capitals and spaces alone."""
        artist = None if self.artist is None else _plain(self.artist)
        return _plain(self.title), artist, self.year


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
