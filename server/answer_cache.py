"""Answers by query, the last ones in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Query = TypeVar("Query", bound=Hashable)
Answer = TypeVar("Answer")


class AnswerCache(Generic[Query, Answer]):
    """Keeps the last used answers; safe to use from many threads."""

    def __init__(self, kept_answers: int) -> None:
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

    def put(self, query: Query, answer: Answer) -> None:
        """Keep an answer; the one that was not used for longest gives way."""
        with self._lock:
            self._kept[query] = answer
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
