"""Long texts as numbers: lyrics, scripts, subtitles and plots, cut into chunks that an encoder can read whole.

Nothing of a text itself is kept. Positivity is pos / (pos + neg) of VADER (Hutto & Gilbert, 2014), as SpotiFlix
measures it; an embedding is the mean of the chunks' sentence embeddings (Reimers & Gurevych, 2019), each weighed
by its words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from indexer.normalisation import unit
from indexer.vector_cache import VectorCache, content_key

Floats = npt.NDArray[np.float32]
#: Told (done, total) in texts.
OnProgress = Callable[[int, int], None]

#: Part of the key of cached vectors: to be raised whenever the same text would come out as another vector.
_RECIPE = 1
#: Begin and end marks that an encoder adds, and room for an estimate that is a little low.
_SPARE_TOKENS = 16
#: Words of a chunk that VADER rates at a time: its time grows with the square of them.
_RATED_TOKENS = 240
#: Words of so many letters are mostly one token.
_ONE_TOKEN_LETTERS = 6
_TEXTS_AT_ONCE = 64

_HEADER_LINE = re.compile(
    r"^\s*[\[(](?:intro|outro|verse|chorus|bridge|hook|refrain|interlude)\b[^\])]*[\])]\s*$", re.I
)
_TIME_STAMP = re.compile(r"\[\d{1,3}:\d{2}(?:[.:]\d{1,3})?\]")


class Reader(Protocol):
    """What reads chunks: the build's encoder, or a model of the user's."""

    @property
    def key(self) -> str:
        """Names the weights and all else that its vectors depend on."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""

    @property
    def max_tokens(self) -> int:
        """Tokens that it reads; what is beyond them is cut off."""

    def encode_all(self, texts: Sequence[str]) -> Floats:
        """Encode texts: float32 (n, dimension), unit rows."""


@dataclass(frozen=True)
class Embedded:
    """Vectors of texts (n, d) float32: unit rows, zeros for a text without words; how many were new and known."""

    vectors: Floats
    encoded: int
    reused: int


def clean_lyrics(text: str) -> str:
    """Leave out what is not sung: headings such as "[Chorus: all]" and the time stamps of .lrc files."""
    lines = (_TIME_STAMP.sub("", line) for line in text.splitlines())
    return "\n".join(line for line in lines if not _HEADER_LINE.match(line))


def split_text(text: str, most_tokens: int) -> list[str]:
    """Cut a text into chunks of at most ``most_tokens`` tokens by estimate, at line ends where there are any.

    A line that is longer is cut between words. No word is lost or read twice; blank lines are left out.
    """
    chunks: list[str] = []
    held: list[str] = []
    used = 0
    for line in text.splitlines():
        for piece, tokens in _cut_line(line, most_tokens):
            if held and used + tokens > most_tokens:
                chunks.append("\n".join(held))
                held, used = [], 0
            held.append(piece)
            used += tokens
    if held:
        chunks.append("\n".join(held))
    return chunks


def _cut_line(line: str, most_tokens: int) -> Iterator[tuple[str, int]]:
    words: list[str] = []
    used = 0
    for word in line.split():
        # A "word" without spaces, as Japanese is written, may be as long as a line.
        for piece in _cut_word(word, most_tokens):
            tokens = count_tokens(piece)
            if words and used + tokens > most_tokens:
                yield " ".join(words), used
                words, used = [], 0
            words.append(piece)
            used += tokens
    if words:
        yield " ".join(words), used


def _cut_word(word: str, most_tokens: int) -> Iterator[str]:
    # Three tokens a character is the most that the estimate gives.
    step = max(1, most_tokens // 3) if count_tokens(word) > most_tokens else len(word)
    for start in range(0, len(word), step):
        yield word[start : start + step]


def count_tokens(word: str) -> int:
    """Estimate the tokens of a word, rather too many: one for a short one or for four plain letters, more for others.

    WordPiece of English models cuts scripts other than Latin into letters, and Hangul into parts of syllables.
    """
    plain = sum(character.isascii() and character.isalpha() for character in word)
    marks = sum(character.isascii() and not character.isalpha() for character in word)
    hangul = sum("\uac00" <= character <= "\ud7a3" for character in word)
    pieces = -(-plain // 4) if plain > _ONE_TOKEN_LETTERS else min(plain, 1)
    return pieces + marks + 3 * hangul + 2 * (len(word) - plain - marks - hangul)


def rate_positivity(texts: Iterable[str]) -> npt.NDArray[np.float64]:
    """Positivity of each text, (n,) float64 in [0, 1]; NaN without a word that VADER rates. VADER reads English.

    Chunks are rated one by one and weighed by their words: as a whole, a script would take minutes, and one "but"
    would halve all that stands before it.
    """
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyser = SentimentIntensityAnalyzer()
    rated: list[float] = []
    for text in texts:
        positive = negative = 0.0
        for chunk in split_text(text, _RATED_TOKENS):
            shares = analyser.polarity_scores(chunk)
            words = len(chunk.split())
            positive += words * shares["pos"]
            negative += words * shares["neg"]
        rated.append(positive / (positive + negative) if positive + negative > 0 else np.nan)
    return np.array(rated, dtype=np.float64)


def embed_texts(
    texts: Iterable[str],
    count: int,
    reader: Reader,
    cache: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Embedded:
    """Embed ``count`` texts, a few at a time, so that they need not be held together.

    With a ``cache`` folder a text is encoded once, and what an interrupted run finished is not done again.
    """
    most_tokens = max(reader.max_tokens - _SPARE_TOKENS, _SPARE_TOKENS)
    vectors = np.zeros((count, reader.dimension), dtype=np.float32)
    encoded = reused = done = 0
    with ExitStack() as stack:
        kept = None
        if cache is not None:
            key = f"long-text-{_RECIPE}-{most_tokens}-{_digest(reader.key)}"
            kept = stack.enter_context(VectorCache(cache, key, reader.dimension))
        rest = iter(texts)
        while batch := list(islice(rest, _TEXTS_AT_ONCE)):
            keys = [content_key(text.encode()) for text in batch]
            found = np.zeros(len(batch), dtype=np.bool_)
            some = np.zeros((len(batch), reader.dimension), dtype=np.float32)
            if kept is not None:
                found, some = kept.get(keys)
            new = np.flatnonzero(~found)
            if len(new):
                some[new] = _embed([batch[at] for at in new.tolist()], reader, most_tokens)
                if kept is not None:
                    kept.put([keys[at] for at in new.tolist()], some[new])
            vectors[done : done + len(batch)] = some
            encoded += len(new)
            reused += len(batch) - len(new)
            done += len(batch)
            if on_progress is not None:
                on_progress(done, count)
    return Embedded(vectors, encoded, reused)


def _embed(texts: Sequence[str], reader: Reader, most_tokens: int) -> Floats:
    chunks: list[str] = []
    owners: list[int] = []
    for place, text in enumerate(texts):
        parts = split_text(text, most_tokens)
        chunks += parts
        owners += [place] * len(parts)
    summed = np.zeros((len(texts), reader.dimension), dtype=np.float64)
    if chunks:
        weights = np.array([len(chunk.split()) for chunk in chunks], dtype=np.float64)
        np.add.at(summed, owners, weights[:, None] * reader.encode_all(chunks))
    return unit(summed)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
