"""The strongest words of a profile, by hand."""

from __future__ import annotations

import numpy as np

from indexer.features.words import KEPT, NONE, read_words, strongest_words
from indexer.knowledge.vocabulary import GROUPS, vocabulary


def some_words(group: str, count: int) -> list[str]:
    known = vocabulary()
    return list(known.words[known.columns[group]][:count])


def test_the_strongest_words_of_each_group_come_first_and_weak_ones_not_at_all() -> None:
    known = vocabulary()
    moods, music = some_words("moods", 3), some_words("music", 2)
    profile = np.zeros((1, known.width), dtype=np.float32)
    for group, word, value in (
        ("moods", moods[0], 0.3),
        ("moods", moods[1], 0.05),
        ("moods", moods[2], 0.9),
        ("music", music[1], 0.5),
    ):
        profile[0, known.place(group, word)] = value
    [words] = strongest_words(profile)
    assert words.dtype == np.uint16
    assert len(words) == sum(KEPT.values())
    assert words[:3].tolist() == [known.place("moods", moods[2]), known.place("moods", moods[0]), NONE]
    assert words[KEPT["moods"]] == known.place("music", music[1])
    assert read_words(words) == {
        "moods": [moods[2], moods[0]],
        "music": [music[1]],
        "scenes": [],
        "decades": [],
    }


def test_of_many_words_only_so_many_are_kept_in_the_order_they_were_written() -> None:
    lists = {group: some_words(group, KEPT[group] + 2) for group in GROUPS}
    profile = vocabulary().write(lists, [None, None, None])
    [words] = strongest_words(profile[None])
    assert read_words(words) == {group: lists[group][: KEPT[group]] for group in GROUPS}


def test_numbers_are_no_words_and_nothing_said_is_no_word() -> None:
    known = vocabulary()
    silent = known.write({}, [10.0, 10.0, 10.0])
    words = strongest_words(np.stack([silent, silent]))
    assert set(words.ravel().tolist()) == {NONE}
    assert read_words(words[0]) == {group: [] for group in KEPT}
    assert len(known.words) < NONE
