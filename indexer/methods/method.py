"""What a method is: fitted on a catalogue, it scores every item of one medium for items of the other.

One interface for the published systems and the floors, so that the same evaluation and the same search run
on each. Fitting may load heavy libraries; ``scores`` needs numpy alone, for a server runs it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium

if TYPE_CHECKING:
    from indexer.catalogue.catalogue import Catalogue
    from indexer.features.text_encoder import TextEncoder

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


def _tell_nobody(_what: str, _done: int, _total: int) -> None:
    pass


@dataclass(frozen=True)
class Material:
    """What methods are fitted on.

    ``texts``: medium → (n, d) float32 embeddings of the items' sentences. ``encode``: texts → (n, d) float32
    unit vectors. ``files``: optional data sets by their setting's name (``song_positivity``, ``clip_features``,
    ``soundtrack_features``, ``ratings``, ``word_vectors``), and folders (``posters``, ``covers``, ``lyrics``,
    ``film_texts``; the last two may be files; ``audio_clips``, ``mel_model``); one that is not there was not given.
    ``cache``: folder in which vectors outlive the build (``VectorCache``), None for none. ``options``: settings of
    the media's models (``config.OPTIONS``). ``tell``: told (what, done, total) while a method works. ``encoder``: the
    build's own, for texts of which nothing is to be kept in the version.
    """

    catalogue: Catalogue
    texts: Mapping[Medium, Floats]
    encode: Callable[[Sequence[str]], Floats]
    files: Mapping[str, Path] = field(default_factory=dict)
    seed: int = 0
    cache: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    tell: Callable[[str, int, int], None] = _tell_nobody
    encoder: TextEncoder | None = None


class Method(ABC):
    """A fitted method. Rows are positions in the catalogue's tables, as everywhere in a version."""

    #: As it is asked for: ``"method": "crosstune"``.
    name: ClassVar[str]
    #: One line for people: what it does and whose idea it is.
    about: ClassVar[str]

    @classmethod
    @abstractmethod
    def fit(cls, material: Material) -> Self:
        """Fit on the catalogue; the same material gives the same method.

        Raises ``MissingMaterial`` when it cannot be fitted without a file that was not given.
        """

    @abstractmethod
    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Score all items of ``target`` for each of ``rows`` of ``source``: (rows, items) float32, higher is better.

        Raises ``UnsupportedQuery`` for a direction the method does not have.
        """

    def scores_together(self, rows: Mapping[Medium, Rows], target: Medium) -> Floats:
        """Score all items of ``target`` for several inputs at once, (items,) float32: here the mean over them."""
        parts = [self.scores(source, some, target) for source, some in rows.items() if len(some)]
        mean: Floats = np.concatenate(parts).mean(axis=0, dtype=np.float32)
        return mean

    @property
    def facts(self) -> Mapping[str, Any]:
        """Figures of the fit worth reporting (silhouette, validation accuracy …), plain JSON values."""
        return {}

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write into a new folder: .npy arrays and .json, never pickle; the same method gives the same bytes."""

    @classmethod
    @abstractmethod
    def open(cls, folder: Path) -> Self:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
