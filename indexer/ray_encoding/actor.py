"""What runs on Ray's workers: an encoder unpacked from the object store, held for as long as there are texts."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from indexer.errors import EncodingFailed
from indexer.features.text_encoder import TextEncoder
from indexer.ray_encoding.plan import ROW, TEXT

#: The column of vectors, beside that of rows.
VECTOR = "vector"
#: A machine whose vectors are further from those of the build's own is not used.
LOWEST_COSINE = 0.99999


class EncodingActor:
    """Encodes bundles of texts on one core; one of them to a Ray actor."""

    def __init__(
        self,
        files: Any,
        hashes: Mapping[str, str],
        probe: Sequence[str],
        expected: NDArray[np.float32],
    ) -> None:
        """Open the encoder in ``files``: a reference to name → content, each with its SHA-256 in ``hashes``.

        Raises ``EncodingFailed`` where a file is not as it was sent, or where this machine's vectors of the texts
        ``probe`` are not those ``expected``: another processor or library may round in another way.
        """
        import ray

        with tempfile.TemporaryDirectory(prefix="segue-encoder-") as folder:
            unpack(ray.get(files), hashes, Path(folder))
            self._encoder = TextEncoder.open(Path(folder))
            # Loads both models: what they map of the folder's files stays theirs when the names are gone.
            found = self._encoder.encode_all(probe, workers=1)
        lowest = float(np.min(_cosines(found, expected)))
        if not lowest >= LOWEST_COSINE:
            raise EncodingFailed(
                f"a worker encodes unlike this machine (cosine {lowest:.6f}): its processor or its onnxruntime is "
                "another one"
            )

    def __call__(self, bundle: pa.Table) -> pa.Table:
        """Encode a bundle: its rows, and their vectors as lists of float32."""
        vectors = self._encoder.encode_all(bundle.column(TEXT).to_pylist(), workers=1)
        flat = pa.array(vectors.reshape(-1))
        return pa.table(
            {ROW: bundle.column(ROW), VECTOR: pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
        )


def unpack(files: Mapping[str, bytes], hashes: Mapping[str, str], folder: Path) -> None:
    """Write the files named in ``hashes``; raises ``EncodingFailed`` where a SHA-256 is not the one given there."""
    for name, sha256 in hashes.items():
        content = files.get(name, b"")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise EncodingFailed(f"the encoder's {name} did not arrive at a worker as it was sent")
        (folder / name).write_bytes(content)


def _cosines(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float64]:
    one, other = ours.astype(np.float64), theirs.astype(np.float64)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines: NDArray[np.float64] = np.sum(one * other, axis=1) / norms
    return cosines
