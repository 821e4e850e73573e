"""A job in a process of its own, whose memory is nothing but the job's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any


def run_fresh(job: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a job finds, run by an interpreter that has done nothing else: what it raises is raised here.

    Raises ``BrokenProcessPool`` where the process was ended.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(job, *arguments).result()
