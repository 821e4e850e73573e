"""Polarity as TextBlob has it, without TextBlob."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from textblob import TextBlob

from indexer.features.polarity import PolarityLexicon

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


@pytest.fixture(scope="module")
def lexicon() -> PolarityLexicon:
    return PolarityLexicon.of_textblob()


def textblob_polarity(text: str) -> float | None:
    sentiment = TextBlob(text).sentiment
    return sentiment.polarity if sentiment.polarity or sentiment.subjectivity else None


def test_words_modifiers_negations_and_marks() -> None:
    lexicon = PolarityLexicon.from_ratings(
        {"good": (0.8, 0.5, 1.0, False), "very": (0.2, 0.3, 1.5, True), "bad": (-0.6, 0.5, 1.0, False)}
    )
    assert lexicon.measure("A good day") == pytest.approx(0.8)
    assert lexicon.measure("A good day, a bad night.") == pytest.approx(0.1)
    assert lexicon.measure("very bad") == pytest.approx(-0.9)
    assert lexicon.measure("not good") == pytest.approx(-0.4)
    assert lexicon.measure("bad !") == pytest.approx(-0.75)
    assert lexicon.measure("Nothing is known here.") is None
    assert lexicon.measure("") is None


@pytest.mark.parametrize(
    "text",
    [
        "not really good",
        "really not good!",
        "very good :) and 8-)",
        "I didn't like it (!)",
        "It wasn't very bad at all!!!\n\n Great",
        "He's n't very 8) good :'(",
        "An M.D. vs. Mr. Bad, etc. ... 'awful' (\"lovely\")",
        "no no not bad, never nice… incredibly dull",
        "“Terribly” funny; the worst best film?",
    ],
)
def test_it_agrees_with_textblob(lexicon: PolarityLexicon, text: str) -> None:
    assert lexicon.measure(text) == pytest.approx(textblob_polarity(text), abs=1e-12)


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not here")
def test_it_agrees_with_textblob_on_real_overviews(lexicon: PolarityLexicon) -> None:
    texts = pd.read_csv(DATA / "movies_19k.csv", usecols=["overview"])["overview"].dropna()[::10]
    assert len(texts) > 1000
    for text in texts:
        assert lexicon.measure(text) == pytest.approx(textblob_polarity(text), abs=1e-12), text
