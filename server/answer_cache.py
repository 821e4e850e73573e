"""Answers by query, the last ones in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

Query = TypeVar("Query", bound=Hashable)
Answer = TypeVar("Answer")

#: Some 25 kB each with their records, where ten hits are on a page: 13 MB at most, as long as pages are that long.
KEPT_ANSWERS: Final = 512
#: Larger pages are made anew: a few of them would take the memory of all others.
MOST_HITS: Final = 20


class AnswerCache(Generic[Query, Answer]):
    """Keeps the last used answers; safe to use from many threads."""

    def __init__(self, kept_answers: int = KEPT_ANSWERS) -> None:
        self._most = kept_answers
        self._kept: OrderedDict[Query, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._kept)

    def get(self, query: Query) -> Answer | None:
        """The answer kept for an equal query."""
        with self._lock:
            answer = self._kept.get(query)
            if answer is not None:
                self._kept.move_to_end(query)
            return answer

    def put(self, query: Query, answer: Answer, hits: int) -> None:
        """Keep an answer of so many hits, unless these are too many."""
        if hits > MOST_HITS:
            return
        with self._lock:
            self._kept[query] = answer
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
