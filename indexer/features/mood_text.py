"""What a text asks for: its wanted part, what it does not want, and the names in it that stand for something."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from indexer.features.ridge import LowRankRidge
from indexer.knowledge import tables
from indexer.knowledge.vocabulary import vocabulary
from indexer.normalisation import unit
from indexer.title_lookup import make_key

Floats = npt.NDArray[np.float32]
EncodeTexts = Callable[[list[str]], Floats]

#: What begins a clause that says what is not wanted; "something is not right" begins none.
_UNWANTED = re.compile(
    r"(?:^|(?<=[,;.!?:–—(])|\b(?:but|and|aber|und|mais|pero|ma|mas)\b)\s*"
    r"(?:not|no|non|never|without|nothing too|nothing|less|minus|don'?t want|doesn'?t|isn'?t|anything but"
    r"|nicht|kein[ea]?[nmrs]?|ohne|pas(?:\s+de|\s+d')?|sans|sin|nada de|senza|niente|sem|zonder|geen|inte|utan)"
    r"(?:\s+(?:too|so|any|a|an|the|at all|zu|trop|tan|demasiado|troppo))*\s+(?P<what>[^,;.!?:–—()]+?)"
    r"(?=\s*(?:[,;.!?:–—()]|$|\bbut\b|\bjust\b|\bonly\b|\baber\b|\bmais\b|\bpero\b))",
    re.IGNORECASE,
)
_WITHOUT = re.compile(
    r"\b(?:without|ohne|sans|senza|sem)\s+(?:any\s+|the\s+|being\s+|a\s+)?(?P<what>[^,;.!?:–—()]+)", re.I
)
#: What follows these names a work or a maker.
_CUE = re.compile(
    r"\b(?:like|as in|à la|a la|in the style of|reminds? me of|similar to|vibes? of|mood of|wie|comme|como|come)\s+",
    re.I,
)
_MOST_WORDS = 5
#: How much a name counts beside the other words of a text.
_NAMED = 0.6
#: A text makes sense where this share of its words is known.
_ENOUGH_KNOWN = 0.5
#: What is unwanted counts this much against what is wanted.
_AGAINST = 0.7


@dataclass(frozen=True)
class Wish:
    """A text taken apart: ``wanted`` and ``unwanted`` words, and the ``references`` that it names."""

    wanted: str
    unwanted: tuple[str, ...]
    references: tuple[tables.Reference, ...]


def read_wish(text: str) -> Wish:
    """Take a text apart; what is left of "not sad, no rain, happy beach" is "happy beach"."""
    unwanted: list[str] = []

    def cut(match: re.Match[str]) -> str:
        unwanted.append(match["what"].strip())
        return " , "

    rest = _WITHOUT.sub(cut, _UNWANTED.sub(cut, text))
    wanted = re.sub(r"\s*(?:,\s*)+", ", ", rest).strip(" ,;.-–—")
    return Wish(wanted, tuple(dict.fromkeys(unwanted)), _find_references(text))


@cache
def _named() -> dict[str, tables.Reference]:
    return {name: reference for reference in tables.references() for name in reference.names}


@cache
def _ordinary_words() -> frozenset[str]:
    """Words that the knowledge's phrases and texts use as such."""
    texts = [mood.text for mood in tables.mood_texts()]
    for written in (tables.films(), tables.songs(), tables.artists(), tables.genres()):
        texts += written.phrases
    words = {word for text in (*texts, *vocabulary().words) for word in make_key(text).split(" ")}
    return frozenset(words | {"bond", "mann", "got", "skins", "carpenter", "euphoria"})


@cache
def _works() -> dict[str, tables.Reference]:
    """Films and artists by name, for texts that say "like …"."""
    found: dict[str, tables.Reference] = {}
    films, artists = tables.films(), tables.artists()
    for key, values, phrase in zip(artists.keys, artists.values, artists.phrases, strict=True):
        found[key] = tables.Reference((key,), values, phrase)
    for film, values, phrase in zip(films.keys, films.values, films.phrases, strict=True):
        found[film.title] = tables.Reference((film.title,), values, phrase)
    return found


@cache
def _known_words() -> frozenset[str]:
    """Every word that the knowledge uses: a text of none of them is in no language that it was written in."""
    texts = [mood.text for mood in tables.mood_texts()]
    for written in (tables.films(), tables.songs(), tables.artists(), tables.genres()):
        texts += written.phrases
    texts += [str(key) for key in (*tables.genres().keys, *tables.artists().keys)]
    texts += [name for reference in tables.references() for name in reference.names]
    return frozenset(word for text in (*texts, *vocabulary().words) for word in make_key(text).split(" "))


def make_sense(text: str) -> float:
    """How far a text is words at all, 0 … 1: all of it where half of its words are known."""
    words = [word for word in make_key(text).split(" ") if word.isalpha() and len(word) > 1]
    if not words:
        return 0.0
    return min(1.0, sum(word in _known_words() for word in words) / len(words) / _ENOUGH_KNOWN)


def _find_references(text: str) -> tuple[tables.Reference, ...]:
    found: dict[str, tables.Reference] = {}
    words = make_key(text).split(" ")
    for size in range(_MOST_WORDS, 0, -1):
        for start in range(len(words) - size + 1):
            name = " ".join(words[start : start + size])
            # One word by itself may be an ordinary one ("dark", "friends"): it is a name where it is the whole text.
            if name not in _named() or (size == 1 and len(words) > 1 and name in _ordinary_words()):
                continue
            if not any(f" {name} " in f" {longer} " for longer in found):
                found[name] = _named()[name]
    for cue in _CUE.finditer(text):
        after = make_key(text[cue.end() :]).split(" ")
        for size in range(min(_MOST_WORDS + 2, len(after)), 0, -1):
            name = " ".join(after[:size])
            if name in found:
                break
            if name in _named():
                found[name] = _named()[name]
                break
            if name in _works() and (size > 1 or len(name) > 3):
                found[name] = _works()[name]
                break
    return tuple(found.values())


@dataclass(frozen=True)
class Understood:
    """What a text means: ``profile`` (width,), ``meaning`` (d,), the same of what is ``unwanted`` (zeros for none).

    ``sense`` in 0 … 1: how far it is words at all.
    """

    profile: Floats
    meaning: Floats
    unwanted_profile: Floats
    unwanted_meaning: Floats
    sense: float = 1.0


@dataclass(frozen=True)
class TextReader:
    """Predicts the profile of a text from its embedding; ``mean`` (width + d,) of the texts that it was fitted to."""

    model: LowRankRidge
    mean: Floats

    def profiles(self, embeddings: Floats) -> Floats:
        """Profiles (n, width) of embeddings (n, d)."""
        predicted: Floats = self.model.predict(embeddings)[:, : vocabulary().width].clip(0.0, 1.0)
        return predicted

    def plain(self, embedding: Floats) -> Understood:
        """What an embedding (d,) alone says."""
        width = vocabulary().width
        nothing = np.zeros(width, dtype=np.float32), np.zeros(len(embedding), dtype=np.float32)
        return Understood(self.profiles(embedding[None])[0], embedding, *nothing)

    def understand(self, text: str, encode: EncodeTexts) -> Understood:
        """Read one text."""
        wish = read_wish(text)
        width = vocabulary().width
        parts = encode([wish.wanted or text, *wish.unwanted, *(named.phrase for named in wish.references)])
        profiles = self.profiles(parts)
        against = slice(1, 1 + len(wish.unwanted))
        profile, meaning = (profiles[0], parts[0]) if wish.wanted else (self.mean[:width], self.mean[width:])
        if wish.references:
            about = np.stack([named.profile for named in wish.references])
            profile = (1 - _NAMED) * profile + _NAMED * np.where(np.isnan(about), profile, about).mean(axis=0)
            meaning = (1 - _NAMED) * meaning + _NAMED * parts[against.stop :].mean(axis=0)
        unwanted, unmeant = np.zeros(width, dtype=np.float32), np.zeros(parts.shape[1], dtype=np.float32)
        if wish.unwanted:
            unwanted, unmeant = profiles[against].mean(axis=0), parts[against].mean(axis=0)
        sense = 1.0 if wish.references else make_sense(text)
        return Understood(profile, unit(meaning[None])[0], unwanted, unmeant, sense)


AGAINST = _AGAINST
