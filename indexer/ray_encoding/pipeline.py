"""The work as Ray Data sees it: bundles of texts in, bundles of vectors out, a pool of actors between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
from numpy.typing import NDArray
from ray.data import ActorPoolStrategy, DataContext

from indexer.ray_encoding.actor import EncodingActor


@dataclass(frozen=True)
class Sent:
    """What every actor is made from; see ``EncodingActor``. ``files`` is a reference to the object store."""

    files: Any
    hashes: Mapping[str, str]
    probe: Sequence[str]
    expected: NDArray[np.float32]


def encode_bundles(bundles: Sequence[pa.Table], sent: Sent, takes_all: bool) -> Iterator[pa.Table]:
    """Encode bundles in any order. ``takes_all``: every core is an actor's from the start.

    Else the pool begins with the cores that are free and grows as others become so. Actors and tasks whose worker
    is lost are started again by Ray.
    """
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    encoded = ray.data.from_arrow(list(bundles)).map_batches(
        EncodingActor,
        fn_constructor_args=(sent.files, sent.hashes, sent.probe, sent.expected),
        # A bundle is a block, and a block is what an actor reads at once.
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=1,
        compute=_choose_pool(len(bundles), takes_all),
    )
    yield from encoded.iter_batches(batch_size=None, batch_format="pyarrow")


class Coordinator:
    """The same from within a cluster, for drivers that are only its clients: Ray Data does not run at theirs."""

    def __init__(self, bundles: Sequence[pa.Table], sent: Sent) -> None:
        self._encoded = encode_bundles(bundles, sent, takes_all=False)

    def take(self) -> pa.Table | None:
        """The next bundle of vectors, None after the last."""
        return next(self._encoded, None)


def encode_from_client(bundles: Sequence[pa.Table], sent: Sent) -> Iterator[pa.Table]:
    """``encode_bundles`` for a driver that is connected by ``ray://``."""
    # Without a core of its own: all are the actors'.
    coordinator = ray.remote(num_cpus=0)(Coordinator).remote(ray.put(list(bundles)), sent)
    while (bundle := ray.get(coordinator.take.remote())) is not None:
        yield bundle


def _choose_pool(bundles: int, takes_all: bool) -> Any:
    most = max(1, min(int(ray.cluster_resources().get("CPU", 1)), bundles))
    if takes_all:
        return ActorPoolStrategy(size=most)
    free = max(1, min(int(ray.available_resources().get("CPU", 1)), most))
    return ActorPoolStrategy(min_size=1, max_size=most, initial_size=free)
