"""Finding a film or song by what people type: keys that forgive spelling, trigrams to recall, a score.

Pure functions over strings; ``catalogue_store`` keeps the keys and the posting lists on disk.
A *key* is text as compared: lower case, no accents or punctuation. A *bare* key also lacks the word "the".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

#: Longest part of a query that is looked at, in characters: beyond it nothing in a catalogue is told apart.
QUERY_CHARS = 200

# Letters that Unicode does not decompose into a base letter and a mark; ß is done by casefold.
_LETTERS = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h"}
    | {"ŋ": "n", "ə": "e"}
)
# Diacritics of Latin, Greek and Cyrillic, Hebrew points, Arabic vowel marks. Marks of other scripts
# (Devanagari, kana voicing, Thai) are part of the spelling and stay.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]")
_ACRONYM = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_SILENT = re.compile("['’‘ʼ`´]")
_AND = re.compile(r"\s(?:[nN]['’]|['’][nN]['’]?)\s|[&+]")
_BANG = re.compile(r"(?<=[^\W\d_])!(?=[^\W\d_])")
_DOLLAR = re.compile(r"(?<=[^\W\d_])\$|\$(?=[^\W\d_])")
_FEAT = re.compile(r"\b(?:feat|ft|featuring)\b\.?", re.IGNORECASE)
_EDITION = re.compile(
    r"[\s\-–—(\[/]*\b(?:(?:19|20)\d\d\s+)?(?:digital(?:ly)?\s+)?remaster(?:ed)?\b"
    r"(?:\s+version)?(?:\s+(?:in\s+)?(?:19|20)\d\d)?(?:\s+version)?\s*[)\]]?",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\s+[-–—]\s.*|(?:\s*(?:\([^()]*\)|\[[^\[\]]*\]))+\s*$|\s+(?:feat\.|ft\.|featuring\s).*", re.IGNORECASE
)
_YEAR = re.compile(r"(?:18[89]|19\d|20\d)\d")
# Scripts written without spaces (or by syllable): one or two characters already say as much as a trigram.
_DENSE = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class Found:
    """One answer of a look-up: a row, and how well its names fit the text, from 0 to 1 (1 = exactly)."""

    row: int
    score: float


@dataclass(frozen=True, slots=True)
class Names:
    """What one row can be found by: keys of its titles (best first), of its people, and its year."""

    titles: tuple[str, ...]
    people: tuple[str, ...] = ()
    year: int | None = None


def make_key(text: str) -> str:
    """Text as compared: lower case, accents and punctuation gone, "&" is "and", one space between words.

    Text of nothing but symbols ("!!!", "÷") is its own key, so that such titles can be found too.
    """
    # A lone surrogate (possible in JSON) can be neither stored nor bound to a statement.
    text = text.encode("utf-8", "ignore").decode("utf-8").strip()
    folded = text
    if not folded.isascii():
        folded = unicodedata.normalize("NFKD", folded.casefold()).translate(_LETTERS)
        folded = unicodedata.normalize("NFC", _MARKS.sub("", folded))
    folded = _EDITION.sub(" ", folded)
    folded = _FEAT.sub(" ", folded)
    folded = _AND.sub(" and ", folded)
    folded = _ACRONYM.sub(lambda match: match[0].replace(".", "") + " ", folded)
    folded = _DOLLAR.sub("s", _BANG.sub("i", _SILENT.sub("", folded)))
    key = " ".join("".join(char if _is_letter(char) else " " for char in folded).casefold().split())
    return key or "".join(text.casefold().split())


def _is_letter(char: str) -> bool:
    return char.isalnum() or (not char.isascii() and unicodedata.category(char)[0] == "M")


def make_bare(key: str) -> str:
    """The key without the word "the", which people leave out; unchanged if nothing else is in it."""
    if "the" not in key:
        return key
    return " ".join(word for word in key.split(" ") if word != "the") or key


def name_movie(title: str, original_title: str | None, year: int | None) -> Names:
    """Names of a film: its title, then its original title where that differs."""
    return Names(_distinct([make_key(title), make_key(original_title or "")]), (), year)


def name_track(title: str, artists: Sequence[str], year: int | None) -> Names:
    """Names of a song: its title, then that without " - Live …", "(feat. …)" and the like; its artists."""
    titles = _distinct([make_key(title), make_key(cut_tail(title))])
    people = [make_key(artist) for artist in artists]
    if len(people) > 1:
        people.append(" ".join(people))
    return Names(titles, _distinct(people), year)


def cut_tail(title: str) -> str:
    """The title without " - Live …", "(feat. …)" and the like at its end."""
    # Twice, for a bracket before a dash: "Song (feat. Her) - Live".
    return _TAIL.sub("", _TAIL.sub("", title))


def _distinct(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for key in keys if key))


def list_grams(key: str) -> set[str]:
    """Trigrams of each word with two blanks before and one after; characters and pairs in dense scripts."""
    grams: set[str] = set()
    for word in make_bare(key).split(" "):
        if _DENSE.search(word):
            grams.update("=" + char for char in word)
            grams.update("=" + word[at : at + 2] for at in range(len(word) - 1))
        else:
            padded = f"  {word} "
            grams.update(padded[at : at + 3] for at in range(len(padded) - 2))
    return grams


def list_row_grams(names: Names) -> set[str]:
    """Every gram a row is found by: those of its names, "^" with the first 1–3 letters of each, "#year"."""
    grams: set[str] = set()
    for key in names.titles + names.people:
        grams |= list_grams(key)
        for start in {key, make_bare(key)}:
            grams.update("^" + start[:size] for size in (1, 2, 3))
    if names.year is not None:
        grams.add(f"#{names.year}")
    return grams


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody typed, ready to compare: its key and, if a year stands in it, the key without it."""

    key: str
    undated: str = ""
    year: int | None = None

    @classmethod
    def parse(cls, text: str) -> Query:
        """Read a query; only its first ``QUERY_CHARS`` characters count."""
        key = make_key(text[: 2 * QUERY_CHARS])[:QUERY_CHARS].strip()
        words = key.split(" ")
        # A year stands last ("alien 1979") or first; alone it is a title ("1917").
        for at in (-1, 0):
            if len(words) > 1 and _YEAR.fullmatch(words[at]):
                rest = words[:-1] if at else words[1:]
                return cls(key, " ".join(rest), int(words[at]))
        return cls(key)

    def grams(self) -> set[str]:
        """The grams to recall rows by, with the one for the beginning of a name."""
        if not self.key:
            return set()
        grams = list_grams(self.key) | {"^" + make_bare(self.key)[:3]}
        if self.year is not None:
            grams.add(f"#{self.year}")
        return grams

    def score(self, names: Names) -> float:
        """How well the names fit, from 0 to 1, rounded to 3 digits so that equally good matches tie."""
        best = _compare(self.key, names)
        if self.year is not None and best < 1.0:
            best = max(best, _compare(self.undated, names) * _fit_year(self.year, names.year))
        return round(best, 3)


def _fit_year(asked: int, year: int | None) -> float:
    if year is None:
        return 0.9
    # Sources differ by a year where a film opened at a festival first.
    return {0: 1.0, 1: 0.96}.get(abs(asked - year), 0.8)


# What a literal match is worth. Beginnings and parts count the same whatever their length, so that among
# them the better known comes first; each ranks below everything that it is a part of.
_WHOLE, _WHOLE_BUT_THE, _WHOLE_PERSON = 1.0, 0.99, 0.95
_CREDIT_START, _TITLE_START, _PHRASE, _PERSON_START, _WORDS, _PERSON_PART = 0.94, 0.9, 0.88, 0.85, 0.84, 0.82
_OTHER_TITLE = 0.97


def _compare(key: str, names: Names) -> float:
    bare = make_bare(key)
    words = bare.split(" ")
    people = [make_bare(person) for person in names.people]
    best = 0.0
    for order, title in enumerate(names.titles):
        weight = _OTHER_TITLE if order else 1.0
        if title == key:
            return max(best, weight)
        bare_title = make_bare(title)
        fit = _compare_title(bare, bare_title)
        if title.startswith(key):
            fit = max(fit, _TITLE_START)
        elif title != bare_title:
            fit = max(fit, 0.98 * fuzz.ratio(key, title) / 100)  # "teh" is not taken for "the" and left out
        for person in people or [""]:
            fit = max(fit, _compare_credit(bare, words, bare_title, person))
        best = max(best, weight * fit)
    for person in people:
        best = max(best, _compare_person(bare, person))
    return best


def _compare_title(bare: str, title: str) -> float:
    if bare == title:
        return _WHOLE_BUT_THE
    if title.startswith(bare):
        return _TITLE_START
    fit = 0.98 * fuzz.ratio(bare, title) / 100
    if f" {bare}" in title or (bare in title and _DENSE.match(bare)):
        return max(fit, _PHRASE)
    if 4 <= len(bare) <= len(title):
        fit = max(fit, 0.8 * fuzz.partial_ratio(bare, title) / 100)
    elif len(bare) > len(title):
        # Words that the title lacks ("official video"): worth as much as the part that it does explain.
        covered = (1 + len(title) / len(bare)) / 2
        fit = max(fit, 0.8 * covered * fuzz.token_set_ratio(bare, title) / 100)
    return fit


def _compare_credit(bare: str, words: Sequence[str], title: str, person: str) -> float:
    """Title and artist in either order, or words of both in any; without an artist, words of the title."""
    if len(words) == 1 and 2 * len(bare) < len(title) + len(person):
        return 0.0  # too short to be both
    one, other = f"{title} {person}".strip(), f"{person} {title}".strip()
    if person and bare in (one, other):
        return _WHOLE
    fit = 0.99 * max(fuzz.ratio(bare, one), fuzz.ratio(bare, other), fuzz.token_sort_ratio(bare, one)) / 100
    if len(bare) > len(one):
        fit = max(fit, 0.8 * fuzz.token_set_ratio(bare, one) / 100)
    elif person and (
        (len(bare) > len(title) and one.startswith(bare))
        or (len(bare) > len(person) and other.startswith(bare))
    ):
        fit = max(fit, _CREDIT_START)
    known = one.split(" ")
    if set(words[:-1]) <= set(known) and any(word.startswith(words[-1]) for word in known):
        fit = max(fit, _WORDS)
    return fit


def _compare_person(bare: str, person: str) -> float:
    if bare == person:
        return _WHOLE_PERSON
    if person.startswith(bare):
        return _PERSON_START
    fit = 0.93 * fuzz.ratio(bare, person) / 100
    if f" {bare}" in person:
        return max(fit, _PERSON_PART)
    if 4 <= len(bare) <= len(person):
        fit = max(fit, 0.75 * fuzz.partial_ratio(bare, person) / 100)
    return fit
