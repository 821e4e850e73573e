"""Progress of long work on a terminal."""

from __future__ import annotations

from typing import Any


class Bars:
    """One progress bar a stage, with rate and time left, on stderr."""

    def __enter__(self) -> Bars:
        self._bar: Any = None
        self._stage = ""
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            from tqdm import tqdm

            self.__exit__()
            self._stage = stage
            self._bar = tqdm(total=total, desc=stage, unit="row", mininterval=0.5)
        self._bar.update(done - self._bar.n)
