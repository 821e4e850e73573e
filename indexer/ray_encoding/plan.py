"""Which texts an actor reads together: whole batches of the encoder's own, so that its numbers stay the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexer.features.text_encoder import TextEncoder

#: Columns of the texts' file.
ROW, TEXT = "row", "text"

#: Tokens, padding included, of what is handed out at once: two to three seconds of work of one core.
_MOST_TOKENS = 16_384
#: Handed out to every actor at least so often, so that all end at about the same time.
_TURNS = 8


def write_bundles(encoder: TextEncoder, texts: Sequence[str], actors: int, target: Path) -> int:
    """Write texts to an Arrow file, a record batch for each bundle of whole batches; gives the number of bundles.

    Columns: ``row`` int64, ``text`` string. Within a stretch of texts the longest come first, as the encoder does.
    """
    schema = pa.schema([(ROW, pa.int64()), (TEXT, pa.large_string())])
    count = 0
    with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for rows in _bundles(encoder, texts, actors):
            columns = [pa.array(rows), pa.array([texts[row] for row in rows.tolist()], pa.large_string())]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            count += 1
    return count


def _bundles(encoder: TextEncoder, texts: Sequence[str], actors: int) -> Iterator[NDArray[np.int64]]:
    for stretch in encoder.cut(texts):
        sizes = [len(batch) * len(stretch.tokens[batch[0]]) for batch in stretch.batches]
        most = min(_MOST_TOKENS, sum(sizes) // (actors * _TURNS))
        held: list[NDArray[np.int64]] = []
        used = 0
        for batch, size in zip(stretch.batches, sizes, strict=True):
            held.append(stretch.start + batch)
            used += size
            if used >= most:
                yield np.concatenate(held)
                held, used = [], 0
        if held:
            yield np.concatenate(held)
