"""The floor of plain text: the cosine of the items' sentence embeddings, with nothing done to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self, get_args

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged
from indexer.methods.arrays import read_array
from indexer.methods.method import Floats, Material, Method, Rows
from indexer.normalisation import unit

Halves = npt.NDArray[np.float16]

#: Rows made float32 at a time: a few megabytes, so that no whole copy of the embeddings is held.
_BLOCK_ROWS = 8192


class TextCosine(Method):
    """Cosine of sentence embeddings (Reimers and Gurevych, 2019, "Sentence-BERT"), in every direction.

    No centring: items of one medium share a direction here, which is what Segue's own space takes out. Kept
    as float16, so a cosine is right to about a thousandth. An item without an embedding (a zero row) scores 0.
    """

    name: ClassVar[str] = "text-cosine"
    about: ClassVar[str] = "Plain cosine of sentence embeddings of what is written about films and songs."

    def __init__(self, embeddings: Mapping[Medium, Halves]) -> None:
        self._embeddings = embeddings

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Bring the embeddings to unit length."""
        return cls({medium: unit(material.texts[medium]).astype(np.float16) for medium in get_args(Medium)})

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Cosines, (rows, items) float32 in [−1, 1]."""
        return self.compare(self._embeddings[source][rows].astype(np.float32), target)

    def compare(self, queries: Floats, target: Medium) -> Floats:
        """Cosines of unit vectors (n, d) with all items, (n, items) float32; so free texts can be asked too."""
        items = self._embeddings[target]
        scores = np.empty((len(queries), len(items)), dtype=np.float32)
        for start in range(0, len(items), _BLOCK_ROWS):
            block = items[start : start + _BLOCK_ROWS].astype(np.float32)
            np.matmul(queries, block.T, out=scores[:, start : start + len(block)])
        return np.clip(scores, -1.0, 1.0, out=scores)

    def write(self, folder: Path) -> None:
        """Write one (items, d) float16 array per medium."""
        folder.mkdir(parents=True, exist_ok=True)
        for medium, embeddings in self._embeddings.items():
            np.save(folder / f"{medium}.npy", embeddings, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map what ``write`` wrote into memory; raises ``VersionDamaged``."""
        embeddings: dict[Medium, Halves] = {
            medium: read_array(folder / f"{medium}.npy", np.float16, 2, mapped=True)
            for medium in get_args(Medium)
        }
        widths = {medium: each.shape[1] for medium, each in embeddings.items()}
        if len(set(widths.values())) != 1:
            raise VersionDamaged(f"{folder.name}: embeddings of different widths, {widths}")
        return cls(embeddings)
