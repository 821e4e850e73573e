"""Lines of playlists as people have them, made from songs of a table with a fixed seed, and what each means."""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from indexer.title_lookup import make_bare, make_key

Part = Literal["tuning", "measured"]

_CREDIT = re.compile(r"\s*[(\[]?\b(?:feat|ft)\.\s[^)\]]*[)\]]?", re.IGNORECASE)
_ADDED = re.compile(r"[(\[]| - |\bfeat\.|\bft\.", re.IGNORECASE)
#: Words that the noise itself put there.
_FRAME = re.compile(r"feat|remaster(?:ed)?|official|video|music|audio|lyrics", re.IGNORECASE)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Song:
    """A song of the source table."""

    id: str
    title: str
    artists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line, the song that it is of (None where there is no such song), and the noise in it."""

    text: str
    song: Song | None
    noise: tuple[str, ...]


def read_songs(path: Path) -> list[Song]:
    """The songs of a table in the Spotify Tracks layout that have a title and an artist."""
    import pandas as pd

    table = pd.read_csv(path, usecols=["track_id", "artists", "track_name"], dtype=str).dropna()
    cells = zip(table["track_id"], table["track_name"], table["artists"], strict=True)
    return [Song(id, title, tuple(artists.split(";"))) for id, title, artists in cells if title.strip()]


def part_of(song: Song) -> Part:
    """Which lines a song's artist is kept for: those tuned on or those measured on."""
    digest = hashlib.sha256(make_key(song.artists[0]).encode()).digest()
    return "tuning" if digest[0] % 2 else "measured"


def is_same(title: str, artists: Sequence[str], song: Song) -> bool:
    """Whether names are a song's: the same title but for credits and editions, and an artist in common."""
    if _name(title) != _name(song.title):
        return False
    one, other = ([f" {make_bare(make_key(name))} " for name in names] for names in (artists, song.artists))
    return any(a in b or b in a for a in one for b in other)


def _name(title: str) -> str:
    return make_bare(make_key(_CREDIT.sub(" ", title)))


def make_lines(songs: Sequence[Song], count: int, seed: int) -> list[Line]:
    """Lines of ``count`` different songs, each with one to three kinds of noise, one typing error at most."""
    source = random.Random(seed)
    return [make_noisy(song, songs, source) for song in source.sample(list(songs), count)]


def make_crossed(songs: Sequence[Song], count: int, seed: int) -> list[Line]:
    """Lines of songs that do not exist: the title of one with the artist of another, who has none of that name."""
    source = random.Random(seed)
    titles: dict[str, set[str]] = {}
    for song in songs:
        titles.setdefault(_name(song.title), set()).update(make_bare(make_key(name)) for name in song.artists)
    made: list[Line] = []
    while len(made) < count:
        one, other = source.sample(list(songs), 2)
        names = " ".join(titles[_name(one.title)])
        if any(make_bare(make_key(name)) in names for name in other.artists):
            continue
        line = make_noisy(Song("", one.title, other.artists[:1]), songs, source)
        made.append(Line(line.text, None, line.noise))
    return made


def make_noisy(song: Song, songs: Sequence[Song], source: random.Random) -> Line:
    """One line of a song."""
    title, artist, noise = song.title, song.artists[0], []
    if len(song.artists) > 1:
        way = source.choice(("first", "all", "feat."))
        if way == "all":
            artist = source.choice((", ", " & ", ";")).join(song.artists)
        elif way == "feat.":
            artist = f"{artist} feat. {', '.join(song.artists[1:])}"
    kinds = source.sample(sorted(_NOISE), source.choice((1, 2, 3)))
    if "feat." in kinds:
        guest = source.choice(songs).artists[0]
        title = source.choice(
            (f"{title} (feat. {guest})", f"{title} feat. {guest}", f"{title} [ft. {guest}]")
        )
        noise.append("feat.")
    if "remastered" in kinds and not _ADDED.search(song.title):
        year = source.randint(1995, 2022)
        endings = (f" - Remastered {year}", f" - {year} Remaster", f" (Remastered {year})", " - Remastered")
        title += source.choice(endings)
        noise.append("remastered")
    if "video" in kinds:
        title += source.choice(
            (" (Official Video)", " [Official Music Video]", " (Lyrics)", " (Official Audio)")
        )
        noise.append("video")
    text = _arrange(title, artist, "swapped" in kinds, noise, source)
    if "number" in kinds:
        text = f"{source.randint(1, 99):02d}{source.choice(('. ', ' - ', ') ', ' '))}{text}"
        noise.append("number")
    if "duration" in kinds:
        text += source.choice((" (3:{:02d})", " 4:{:02d}", " - 2:{:02d}", " [5:{:02d}]")).format(
            source.randint(0, 59)
        )
        noise.append("duration")
    for kind in ("typing error", "accents", "case"):
        if kind in kinds:
            changed = _NOISE[kind](text, source)
            if changed != text:
                text = changed
                noise.append(kind)
    return Line(text, song, tuple(noise))


def _arrange(title: str, artist: str, swapped: bool, noise: list[str], source: random.Random) -> str:
    if swapped:
        noise.append("swapped")
        return source.choice((f"{title} - {artist}", f"{title} – {artist}", f"{title} by {artist}"))
    dash = source.choice((" - ", " – ", " — ", " - ", " – ", ": ", "\t"))
    return f"{artist}{dash}{title}"


def _mistype(text: str, source: random.Random) -> str:
    """One letter wrong, lacking, too many, or exchanged with the next, inside a word of four letters or more."""
    words = [word for word in re.finditer(r"[^\W\d_]{4,}", text) if not _FRAME.fullmatch(word[0])]
    if not words:
        return text
    word = source.choice(words)
    at = source.randrange(word.start(), word.end() - 1)
    kind = source.choice(("wrong", "lacking", "more", "exchanged"))
    letter = source.choice(_LETTERS)
    if kind == "wrong":
        return text[:at] + letter + text[at + 1 :]
    if kind == "lacking":
        return text[:at] + text[at + 1 :]
    if kind == "more":
        return text[:at] + letter + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _strip_accents(text: str, _source: random.Random) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f"))


def _change_case(text: str, source: random.Random) -> str:
    return source.choice((str.lower, str.upper, str.title))(text)


def _keep(text: str, _source: random.Random) -> str:
    return text


_NOISE: dict[str, Callable[[str, random.Random], str]] = {
    "accents": _strip_accents,
    "case": _change_case,
    "typing error": _mistype,
    "feat.": _keep,
    "remastered": _keep,
    "video": _keep,
    "swapped": _keep,
    "number": _keep,
    "duration": _keep,
}
