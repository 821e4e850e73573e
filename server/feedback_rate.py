"""How much feedback one client may give: a limit of its own, counted where the general one is."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final

from limits import parse
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from indexer.errors import ConfigError, FeedbackTooOften

_log = logging.getLogger(__name__)

_REDIS_WAIT_S: Final = 0.5
#: Redis is left alone for so long after a failure, lest each request waits for it.
_PAUSE_S: Final = 5.0


class FeedbackRate:
    """Counts feedback per client in fixed windows, as in ``60/minute``, in memory or in Redis (``store``).

    Where Redis is away each process counts on its own. Addresses are counted and not kept: an entry goes with its
    window. Raises ConfigError for a store that cannot be used.
    """

    def __init__(self, rate: str, store: str) -> None:
        self._rate = parse(rate)
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._limiter = self._own
        self._paused_until = -math.inf
        if not store.startswith("memory:"):
            waits = {"socket_connect_timeout": _REDIS_WAIT_S, "socket_timeout": _REDIS_WAIT_S}
            try:
                storage = storage_from_string(store, wrap_exceptions=True, **waits)
            except ConfigurationError as error:
                raise ConfigError(
                    "SEGUE_RATE_LIMIT_STORE asks for Redis, but its package is missing: "
                    "python -m pip install -r requirements-redis.txt"
                ) from error
            self._limiter = FixedWindowRateLimiter(storage)

    def count(self, client: str, clock: Callable[[], float]) -> None:
        """Count one more of ``client``; raises ``FeedbackTooOften`` beyond the limit. ``clock``: seconds since 1970."""
        limiter = self._limiter if clock() >= self._paused_until else self._own
        try:
            is_within = limiter.hit(self._rate, "segue-feedback", client)
        except StorageError:
            self._paused_until = clock() + _PAUSE_S
            _log.warning(
                "the store of rate limits cannot be reached; this process counts feedback on its own"
            )
            limiter = self._own
            is_within = limiter.hit(self._rate, "segue-feedback", client)
        if not is_within:
            raise FeedbackTooOften(self._wait_s(limiter, client, clock))

    def _wait_s(self, limiter: FixedWindowRateLimiter, client: str, clock: Callable[[], float]) -> int:
        try:
            reset_at = limiter.get_window_stats(self._rate, "segue-feedback", client).reset_time
        except StorageError:
            return self._rate.get_expiry()
        return max(1, math.ceil(reset_at - clock()))
