"""How alike a title and artists as somebody wrote them are to a song's: from 0 to 1, per part.

Strict where the look-up is lenient. Case, accents, punctuation, credits ("feat. …") and editions ("Remastered 2011")
never count; a typing error or two do a little; another number, or another recording ("Live", "… Remix"), rules it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA

from indexer.title_lookup import make_bare, make_key

#: Likeness of one song's title to another recording of it: too low to be taken for it.
OTHER_RECORDING = 0.7
#: Likeness of titles of which one lacks the other's subtitle: "Earth Angel (Will You Be Mine)".
_NO_SUBTITLE = 0.93
#: Likeness of titles or names whose numbers differ.
_OTHER_NUMBER = 0.5
#: Likeness of artists of whom one is there among others.
_AMONG_OTHERS = 0.97
#: Likeness of artists of whom one is a part of the other's name: "Bob Marley", "Bob Marley & The Wailers".
_PART_OF_NAME = 0.92
_CACHED = 32_768

_CREDIT = re.compile(
    r"^(?:feat|ft|featuring|with|w/|prod|produced\s+by|starring|duet\s+with)\b\.?\s*(.*)$", re.I
)
_CREDIT_TAIL = re.compile(r"\s+(?:feat\.?|ft\.?|featuring)\s+(.*)$", re.IGNORECASE)
_CREDIT_INSIDE = re.compile(r"\s+(?:feat\.?|ft\.?|featuring)\s+.*?(?=\s+by\s|[:\t|]|$)", re.IGNORECASE)
_BRACKET = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]")
_DASH = re.compile(r"\s+[-‐‑‒–—―−]+\s+")
_DASH_OR_BY = re.compile(rf"{_DASH.pattern}|\s+by\s+", re.IGNORECASE)
_REMASTER = r"remaster(?:ed|izado|izada|isée?|ing)?"
_LENGTHS = (
    r"(?:single|album|original|radio|lp|ep|7\"|7''|7|main|full(?:\s+length)?|standard|studio|explicit|clean)"
)
_EDITION = re.compile(
    rf"^(?:.*\b{_REMASTER}\b.*"
    rf"|(?:the\s+)?(?:(?:19|20)\d\d\s+)?{_LENGTHS}\s+(?:version|edit|mix|recording|cut)(?:\s+(?:19|20)\d\d)?"
    r"|(?:(?:19|20)\d\d\s+)?(?:mono|stereo)(?:\s+(?:version|mix))?(?:\s+(?:19|20)\d\d)?"
    r"|(?:19|20)\d\d\s+(?:version|mix|master|release)"
    r"|original|explicit|clean|(?:(?:deluxe|expanded|special|anniversary|bonus)\s*)+(?:track|edition|version)?"
    r"|(?:the\s+)?(?:official\s*)?(?:music\s+|lyrics?\s+|hd\s+|4k\s+)?(?:video|audio|visuali[sz]er|clip)(?:\s+(?:hd|hq|4k))?"
    r"|(?:with\s+|official\s+)?lyrics?|official|hd|hq|uhd|4k|1080p|720p|full\s+song|audio\s+only|free\s+download"
    r"|(?:from|theme\s+from|taken\s+from)\s.*|(?:19|20)\d\d|(?:original\s+)?(?:motion\s+picture\s+)?soundtrack)$",
    re.IGNORECASE,
)
_TRAILING_NOISE = re.compile(
    r"\s+(?:(?:official\s+)?(?:music\s+|lyrics?\s+)(?:video|audio)|official\s+(?:video|audio|visuali[sz]er)|with\s+lyrics)"
    r"(?:\s+(?:hd|hq|4k))?\s*$",
    re.IGNORECASE,
)
_RECORDING = re.compile(
    r"\b(?:live|ao vivo|en vivo|en direct[eo]?|dal vivo|directo|concert|unplugged|sessions?|remix(?:ed)?|rmx|mix(?:ed)?"
    r"|edit|version|versi[oó]n|vers[aã]o|acoustic|ac[uú]stico|acoustique|instrumental|karaoke|demo|cover|(?:out)?take"
    r"|rehearsal|reprise|medley|orchestral|symphonic|piano|a ?cappella|sped up|slowed|nightcore|8d|dub|vip|bootleg"
    r"|mashup|rework|re-?recorded|alternate|extended|arr|interlude|intro|outro|part|pts?|act|suite|freestyle|tribute"
    r"|made famous|in the style of|commentary|parody|skit|excerpt|performed by|sung)\b",
    re.IGNORECASE,
)
_PART = re.compile(r"\bpts?\b")
_NUMBER = re.compile(r"^(?:\d+[a-z]{0,3}|ii|iii|iv|vi|vii|viii|ix|xi|xii|xiii|xiv|xvi)$")
_LAST_NUMBER = re.compile(r"^[ivx]$")
_ORDINALS = re.compile(r"(\d+)(?:st|nd|rd|th|er|re|eme)$")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8"} | {
    "ix": "9",
    "x": "10",
    "xi": "11",
    "xii": "12",
    "xiii": "13",
    "xiv": "14",
    "xvi": "16",
}
_APART = re.compile(
    r"\s*[,;/&+|]\s*|\s+(?:and(?:\s+(?=the\b)|\s+)|x|vs\.?|versus|feat\.?|ft\.?|featuring|with|y|e|et|und|con)\s+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Title:
    """A title taken apart. ``whole``: key without credits and editions; ``core``: without any addition either.

    ``recording``: key of what makes it another recording; ``credits``: people named in it, as written.
    """

    whole: str
    core: str
    recording: str
    credits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Credit:
    """Artists taken apart: keys of the name or names as given, and of the parts that look like names of their own."""

    whole: str
    names: tuple[str, ...]
    parts: tuple[str, ...]


@lru_cache(maxsize=_CACHED)
def take_apart(title: str) -> Title:
    """Tell a title from what is added to it."""
    credits: list[str] = []
    recordings: list[str] = []
    rest = _TRAILING_NOISE.sub("", title)

    def sort_bracket(match: re.Match[str]) -> str:
        inside = match[1].strip()
        # A bracket at the start, or all of it, is the title's own: "(I Can't Get No) Satisfaction".
        if not rest[: match.start()].strip():
            return match[0]
        return " " if _put_away(inside, credits, recordings) else match[0]

    rest = _BRACKET.sub(sort_bracket, rest)
    named, *tails = (_cut_credit(part, credits) for part in _DASH.split(rest))
    for tail in tails:
        bare = _BRACKET.sub(" ", tail).strip() or tail
        if not _put_away(bare, credits, recordings):
            recordings.append(tail)
    core = make_key(_BRACKET.sub(" ", named)) if _BRACKET.sub(" ", named).strip() else make_key(named)
    recording = make_key(" ".join(recordings)) if recordings else ""
    whole = f"{make_key(named)} {recording}".strip()
    return Title(
        _spell_out(make_bare(whole)), _spell_out(make_bare(core)), _spell_out(recording), tuple(credits)
    )


def _spell_out(key: str) -> str:
    return _PART.sub("part", key) if "pt" in key else key


def strip_additions(words: str) -> str:
    """The words of a line without credits and editions, to look songs up by."""

    def strip_bracket(match: re.Match[str]) -> str:
        return " " if _put_away(match[1].strip(), [], []) else match[0]

    rest = _BRACKET.sub(strip_bracket, _TRAILING_NOISE.sub("", words))
    parts = [_CREDIT_INSIDE.sub("", part) for part in _DASH_OR_BY.split(rest)]
    kept = " ".join(part for part in parts if not _EDITION.match(part))
    return kept if kept.strip() else words


def _cut_credit(part: str, credits: list[str]) -> str:
    credit = _CREDIT_TAIL.search(part)
    if credit is None or not credit.start():
        return part
    credits.append(credit[1])
    return part[: credit.start()]


def _put_away(part: str, credits: list[str], recordings: list[str]) -> bool:
    """Sort an addition: a credit, an edition (dropped) or another recording; False if it is none of these."""
    credit = _CREDIT.match(part)
    if credit and not (_RECORDING.search(part) and not part.casefold().startswith(("feat", "ft", "prod"))):
        credits.append(credit[1])
        return True
    if not part or _EDITION.match(part) or any(_is_remaster(word) for word in part.split()):
        return True
    if _RECORDING.search(part):
        recordings.append(part)
        return True
    return False


def _is_remaster(word: str) -> bool:
    """Whether it is that word with a typing error in it."""
    return len(word) >= 7 and OSA.distance(word.casefold(), "remastered", score_cutoff=2) <= 2


@lru_cache(maxsize=_CACHED)
def take_artists_apart(artist: str) -> Credit:
    """Tell the names in an artist as somebody wrote it; several stand between semicolons, commas, "feat." and "&"."""
    bare = _BRACKET.sub(" ", artist).strip() or artist
    listed = [make_bare(make_key(name)) for name in re.split(r"\s*[;|]\s*", bare)]
    parts = [make_bare(make_key(part)) for part in _APART.split(bare)]
    return Credit(make_bare(make_key(bare)), _distinct(listed), _distinct(parts))


def _distinct(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for key in keys if key))


@lru_cache(maxsize=_CACHED)
def _numbers(key: str) -> tuple[str, ...]:
    words = key.split(" ")
    found = []
    for at, word in enumerate(words):
        if _NUMBER.match(word) or (at == len(words) - 1 > 0 and _LAST_NUMBER.match(word)):
            found.append(_ROMAN.get(word, _ORDINALS.sub(r"\1", word)))
    return tuple(found)


def compare_keys(one: str, other: str) -> float:
    """How alike two keys are: 1 the same, above 0.8 for typing errors, as many as fit the length."""
    if one == other:
        return 1.0
    if not one or not other:
        return 0.0
    if one.replace(" ", "") == other.replace(" ", ""):
        return 0.98
    size = max(len(one), len(other))
    errors = OSA.distance(one, other)
    if _numbers(one) != _numbers(other):
        return _OTHER_NUMBER * max(0.0, 1.0 - errors / size)
    if errors == 1:
        return 0.95 if size >= 5 else {4: 0.9, 3: 0.82}.get(size, 0.6)
    if errors == 2:
        return 0.9 if size >= 12 else 0.82 if size >= 9 else 0.6
    return max(0.0, min(0.88, 1.0 - 2.0 * errors / size))


def compare_titles(wanted: Title, found: Title) -> float:
    """How alike two titles are; at most ``OTHER_RECORDING`` for other recordings of one song."""
    whole = compare_keys(wanted.whole, found.whole)
    if whole >= 0.9:
        return whole
    core = compare_keys(wanted.core, found.core)
    if wanted.recording == found.recording or compare_keys(wanted.recording, found.recording) >= 0.8:
        return max(whole, _NO_SUBTITLE * core)
    return min(OTHER_RECORDING, max(whole, core * OTHER_RECORDING))


def compare_artists(wanted: Credit, found: tuple[Credit, ...]) -> float:
    """How alike the artist of a line is to a song's, of whom any may be named, in any order."""
    if not found:
        return 0.0
    best = compare_keys(wanted.whole, " ".join(one.whole for one in found))
    for one in found:
        best = max(best, compare_keys(wanted.whole, one.whole) * (1.0 if one is found[0] else _AMONG_OTHERS))
        if best == 1.0:
            return best
        for part in wanted.parts if len(wanted.parts) > 1 else ():
            best = max(best, _AMONG_OTHERS * compare_keys(part, one.whole))
        for part in one.parts if len(one.parts) > 1 else ():
            best = max(best, _PART_OF_NAME * compare_keys(wanted.whole, part))
    return best
