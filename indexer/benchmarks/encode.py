"""The text encoder beside sentence-transformers, on the same texts and in the same run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import ConfigError
from indexer.features.encoder_export import DEFAULT_MODEL, export_encoder, find_weights
from indexer.features.encoder_quantisation import read_starter_texts
from indexer.features.text_encoder import TextEncoder, usable_cores

# Each side runs this often, taking turns; the best time counts, as other work only ever adds to it.
_ROUNDS = 3
_WARM_UP_TEXTS = 64


@dataclass(frozen=True)
class EncodeReport:
    """Texts a second on both sides, and the lowest and mean cosine between their vectors."""

    texts: int
    cores: int
    precision: str
    segue_per_s: float
    reference_per_s: float
    lowest_cosine: float
    mean_cosine: float

    def as_text(self) -> str:
        """The report as lines to read."""
        return "\n".join(
            (
                f"texts                  {self.texts} on {self.cores} cores",
                f"segue ({self.precision})".ljust(23) + f"{self.segue_per_s:.0f} texts/s",
                f"sentence-transformers  {self.reference_per_s:.0f} texts/s",
                f"ratio                  {self.segue_per_s / self.reference_per_s:.2f}",
                f"cosine                 lowest {self.lowest_cosine:.5f}, mean {self.mean_cosine:.5f}",
            )
        )


def measure(texts: int) -> EncodeReport:
    """Encode ``texts`` starter texts with the exported encoder and with ``SentenceTransformer.encode``.

    Raises ``MissingModel`` as ``export_encoder`` does, ``ConfigError`` where there are not that many texts.
    """
    sample = read_starter_texts()
    if not 1 <= texts <= len(sample):
        raise ConfigError(f"texts must be between 1 and {len(sample)}, not {texts}")
    # From the end: the first ones calibrated the encoder.
    sample = sample[-texts:]
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(find_weights(DEFAULT_MODEL)), device="cpu")
    times: dict[str, list[float]] = {"segue": [], "reference": []}
    with tempfile.TemporaryDirectory() as scratch:
        export_encoder(DEFAULT_MODEL, Path(scratch))
        encoder = TextEncoder.open(Path(scratch))
        encoder.encode_all(sample[:_WARM_UP_TEXTS])
        reference.encode(sample[:_WARM_UP_TEXTS], show_progress_bar=False)
        for _ in range(_ROUNDS):
            ours, spent = _time(lambda: encoder.encode_all(sample))
            times["segue"].append(spent)
            theirs, spent = _time(lambda: reference.encode(sample, show_progress_bar=False))
            times["reference"].append(spent)
    cosines = np.sum(ours * theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    return EncodeReport(
        texts=texts,
        cores=usable_cores(),
        precision=encoder.precision,
        segue_per_s=texts / min(times["segue"]),
        reference_per_s=texts / min(times["reference"]),
        lowest_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
    )


def _time(run: Callable[[], Any]) -> tuple[NDArray[np.float32], float]:
    start = time.perf_counter()
    vectors = run()
    return vectors, time.perf_counter() - start
