"""TextBlob's polarity of a text without TextBlob: its word list, read once by a build, and its way of adding up.

The word list is pattern's (De Smedt & Daelemans, 2012, "Pattern for Python"; public domain, PDDL), the rules are
those of ``textblob.en.sentiment`` (BSD): a modifier scales the word after it, a negation turns it round by half,
an exclamation mark raises the word before it; emoticons count as words. A build uses TextBlob itself; a test holds
the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

_NEGATIONS = frozenset(("no", "not", "n't", "never"))
_PUNCTUATION = ".,;:!?()[]{}`''\"@#$^&*+-|=~_"
_SPLIT = tuple(_PUNCTUATION.replace(".", ""))
_ABBREVIATIONS = frozenset(
    (
        *("a.", "adj.", "adv.", "al.", "a.m.", "c.", "cf.", "comp.", "conf.", "def.", "ed.", "e.g.", "esp."),
        *(
            "etc.",
            "ex.",
            "f.",
            "fig.",
            "gen.",
            "id.",
            "i.e.",
            "int.",
            "l.",
            "m.",
            "Med.",
            "Mil.",
            "Mr.",
            "n.",
        ),
        *("n.q.", "orig.", "pl.", "pred.", "pres.", "p.m.", "ref.", "v.", "vs.", "w/"),
    )
)
_CONTRACTIONS = ("'d", "'m", "'s", "'ll", "'re", "'ve", "n't")
_ABBREVIATED = tuple(
    re.compile(form) for form in (r"^[A-Za-z]\.$", r"^([A-Za-z]\.)+$", "^[A-Z][bcdfghjklmnpqrstvwxz|]+.$")
)
_QUOTES = "“”‘’'\""
_TOKEN = re.compile(r"(\S+)\s")
_END = "END-OF-SENTENCE"
_STOPS = frozenset(("...", ".", "!", "?", _END))
_AFTER_STOPS = frozenset(("'", '"', "”", "’", "...", ".", "!", "?", ")", _END))
_SARCASM = re.compile(r"\( ?\! ?\)")
_EMOTICONS: dict[float, tuple[str, ...]] = {
    1.00: ("<3", "♥", ">:D", ":-D", ":D", "=-D", "=D", "X-D", "x-D", "XD", "xD", "8-D"),
    0.75: (">:P", ":-P", ":P", ":-p", ":p", ":-b", ":b", ":c)", ":o)", ":^)"),
    0.50: (">:)", ":-)", ":)", "=)", "=]", ":]", ":}", ":>", ":3", "8)", "8-)"),
    0.25: (">;]", ";-)", ";)", ";-]", ";]", ";D", ";^)", "*-)", "*)"),
    0.05: (">:o", ":-O", ":O", ":o", ":-o", "o_O", "o.O", "°O°", "°o°"),
    -0.25: (">:/", ":-/", ":/", ":\\", ">:\\", ":-.", ":-s", ":s", ":S", ":-S", ">.>"),
    -0.75: (">:[", ":-(", ":(", "=(", ":-[", ":[", ":{", ":-<", ":c", ":-c", "=/"),
    -1.00: (":'(", ":'''(", ";'("),
}
_EMOTICON = re.compile(
    "({})($|\\s)".format(
        "|".join(
            " ?".join(re.escape(sign) for sign in face) for faces in _EMOTICONS.values() for face in faces
        )
    )
)
_FEELINGS = {face.lower(): value for value, faces in reversed(_EMOTICONS.items()) for face in faces}


class _Word(NamedTuple):
    """A word's polarity, subjectivity and intensity, and whether it modifies what follows."""

    polarity: float
    subjectivity: float
    intensity: float
    modifies: bool


@dataclass
class _Assessed:
    polarity: float
    subjectivity: float
    intensity: float
    negated: bool = False


@dataclass(frozen=True)
class PolarityLexicon:
    """Words with their ratings; ``modifying`` says which modify the next. One entry of each for every word."""

    words: tuple[str, ...]
    polarities: tuple[float, ...]
    subjectivities: tuple[float, ...]
    intensities: tuple[float, ...]
    modifying: tuple[bool, ...]

    @cached_property
    def _rated(self) -> dict[str, _Word]:
        numbers = zip(self.polarities, self.subjectivities, self.intensities, self.modifying, strict=True)
        return {word: _Word(*rating) for word, rating in zip(self.words, numbers, strict=True)}

    @classmethod
    def from_ratings(cls, ratings: Mapping[str, tuple[float, float, float, bool]]) -> PolarityLexicon:
        """Word → polarity, subjectivity, intensity and whether it modifies."""
        words = sorted(ratings)
        rated = [ratings[word] for word in words]
        return cls(
            tuple(words),
            tuple(polarity for polarity, _, _, _ in rated),
            tuple(subjectivity for _, subjectivity, _, _ in rated),
            tuple(intensity for _, _, intensity, _ in rated),
            tuple(modifies for _, _, _, modifies in rated),
        )

    @classmethod
    def of_textblob(cls) -> PolarityLexicon:
        """TextBlob's own word list, as it reads it."""
        from textblob.en import sentiment

        len(sentiment)  # it loads itself when it is first asked for anything
        ratings = {}
        for word, kinds in dict.items(sentiment):
            polarity, subjectivity, intensity = map(float, kinds[None])
            ratings[word] = polarity, subjectivity, intensity, "RB" in kinds
        return cls.from_ratings(ratings)

    def measure(self, text: str) -> float | None:
        """Polarity (−1…1) of a text; None where it knows none of the words."""
        assessed = self._assess(" ".join(_sentences(text)).split())
        if not assessed:
            return None
        polarity = sum(each.polarity * (-0.5 if each.negated else 1.0) for each in assessed) / len(assessed)
        subjectivity = sum(each.subjectivity for each in assessed)
        return polarity if polarity or subjectivity else None

    def _assess(self, tokens: list[str]) -> list[_Assessed]:
        found: list[_Assessed] = []
        modifier = negation = ""
        for token in tokens:
            word = token.lower()
            rating = self._rated.get(word)
            if rating is not None:
                _add(found, rating, bool(modifier))
                if negation:
                    found[-1].intensity = 1.0 / found[-1].intensity
                    found[-1].negated = True
                modifier = word if rating.modifies else ""
                negation = word if word in _NEGATIONS else ""
                continue
            if word in _NEGATIONS:
                negation = word
            elif negation and len(word.strip("'")) > 1:
                negation = ""  # kept across small words: "not a good"
            if negation and modifier and modifier.endswith("ly"):
                found[-1].negated = True  # "really not good"
                negation = ""
            elif modifier and len(word) > 2:
                modifier = ""
            if word == "!" and found:
                found[-1].polarity = _held(found[-1].polarity * 1.25)
            if word == "(!)":
                found.append(_Assessed(0.0, 1.0, 1.0))
            if not word.isalpha() and len(word) <= 5 and word not in _PUNCTUATION and word in _FEELINGS:
                found.append(_Assessed(_FEELINGS[word], 1.0, 1.0))
        return found


def _add(found: list[_Assessed], rating: _Word, modified: bool) -> None:
    if not modified:
        found.append(_Assessed(rating.polarity, rating.subjectivity, rating.intensity))
        return
    last = found[-1]
    last.polarity = _held(rating.polarity * last.intensity)
    last.subjectivity = _held(rating.subjectivity * last.intensity)
    last.intensity = rating.intensity


def _held(value: float) -> float:
    return max(-1.0, min(value, 1.0))


def _sentences(text: str) -> list[str]:
    """Sentences of tokens with a space between."""
    for contraction in _CONTRACTIONS:
        text = text.replace(contraction, f" {contraction}")
    for quote in _QUOTES:
        text = text.replace(quote, f" {quote} ")
    text = re.sub(r"\n{2,}", f" {_END} ", text.replace("\r\n", "\n"))
    tokens: list[str] = []
    for token in _TOKEN.findall(re.sub(r"\s+", " ", text) + " "):
        tokens += _split_token(token)
    sentences: list[list[str]] = [[]]
    start = place = 0
    while place < len(tokens):
        if tokens[place] in _STOPS:
            while place < len(tokens) and tokens[place] in _AFTER_STOPS:
                if tokens[place] in ("'", '"') and sentences[-1].count(tokens[place]) % 2 == 0:
                    break
                place += 1
            sentences[-1].extend(token for token in tokens[start:place] if token != _END)
            sentences.append([])
            start = place
        place += 1
    sentences[-1].extend(tokens[start:place])
    joined = (_SARCASM.sub("(!)", " ".join(sentence)) for sentence in sentences if sentence)
    return [
        _EMOTICON.sub(lambda face: face.group(1).replace(" ", "") + face.group(2), sentence)
        for sentence in joined
    ]


def _split_token(token: str) -> list[str]:
    """A token with the punctuation around it parted from it."""
    head: list[str] = []
    tail: list[str] = []
    while token.startswith(_SPLIT) and token not in _CONTRACTIONS:
        head.append(token[0])
        token = token[1:]
    while token.endswith((*_SPLIT, ".")) and token not in _CONTRACTIONS:
        if token.endswith(_SPLIT):
            tail.append(token[-1])
            token = token[:-1]
        if token.endswith("..."):
            tail.append("...")
            token = token[:-3].rstrip(".")
        if token.endswith("."):
            if token in _ABBREVIATIONS or any(form.match(token) for form in _ABBREVIATED):
                break
            tail.append(token[-1])
            token = token[:-1]
    return [*head, *([token] if token else []), *reversed(tail)]
