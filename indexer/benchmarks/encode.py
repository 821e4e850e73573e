"""The text encoder beside sentence-transformers, on the same texts and in the same run."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import ConfigError
from indexer.features.encoder_export import DEFAULT_MODEL, export_encoder, find_weights
from indexer.features.encoder_quantisation import read_starter_texts
from indexer.features.text_encoder import TextEncoder, usable_cores

# Each side runs this often, taking turns.
_ROUNDS = 5
_WARM_UP_TEXTS = 64
_QUERIES = 200
_QUERY_WORDS = 8
_MIB = 1024 * 1024
# Prints the kilobytes that it takes to open the encoder in the first argument and to read the others.
_MEMORY_PROGRAM = """
import sys
from pathlib import Path
from indexer.features.text_encoder import TextEncoder

def count():
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))

before = count()
encoder = TextEncoder.open(Path(sys.argv[1]))
for text in sys.argv[2:]:
    encoder.encode([text])
print(count() - before)
"""


@dataclass(frozen=True)
class EncodeReport:
    """What both sides took, what single queries took, and the lowest and mean cosine between their vectors.

    ``segue_per_s`` and ``reference_per_s``: texts a second of each round, in turn. ``query_ms``: milliseconds
    of each query of 1 to 8 words, one core. ``private_mib``: memory of its own that opening the encoder and
    those queries took, None where the system does not say.
    """

    texts: int
    cores: int
    precision: str
    segue_per_s: list[float]
    reference_per_s: list[float]
    lowest_cosine: float
    mean_cosine: float
    lowest_query_cosine: float
    query_ms: list[float]
    private_mib: float | None

    @property
    def best_ratio(self) -> float:
        """Best round against best round: other work on the machine only ever adds time."""
        return max(self.segue_per_s) / max(self.reference_per_s)

    @property
    def median_ratio(self) -> float:
        """The median over the rounds of the ratio within one round."""
        pairs = zip(self.segue_per_s, self.reference_per_s, strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def as_text(self) -> str:
        """The report as lines to read."""
        query = statistics.quantiles(self.query_ms, n=20)
        private = "unknown" if self.private_mib is None else f"{self.private_mib:.0f} MiB"
        return "\n".join(
            (
                f"texts                  {self.texts} on {self.cores} cores, texts a second:",
                _row(f"segue ({self.precision})", self.segue_per_s),
                _row("sentence-transformers", self.reference_per_s),
                f"ratio                  {self.best_ratio:.2f} of the best, {self.median_ratio:.2f} median of rounds",
                f"cosine                 lowest {self.lowest_cosine:.5f}, mean {self.mean_cosine:.5f}",
                f"queries, one core      p50 {query[9]:.2f} ms, p95 {query[18]:.2f} ms, "
                f"lowest cosine {self.lowest_query_cosine:.5f}",
                f"private memory         {private} for the encoder after {len(self.query_ms)} queries",
            )
        )

    def as_json(self) -> str:
        """The same as JSON, with the ratios."""
        report = asdict(self) | {"best_ratio": self.best_ratio, "median_ratio": self.median_ratio}
        return json.dumps(report, indent=2, sort_keys=True) + "\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--texts", type=int, default=1000, help="how many starter texts to encode (1000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")


def run(options: argparse.Namespace) -> None:
    """Measure, print the report and write it where ``--json`` says. Errors as ``measure``."""
    sys.stdout.write(measure(options.texts, options.json).as_text() + "\n")


def measure(texts: int, output: Path | None = None) -> EncodeReport:
    """Encode ``texts`` starter texts with the exported encoder and with ``SentenceTransformer.encode``.

    ``output``: where to write the report as JSON, if anywhere. Raises ``MissingModel`` as ``export_encoder``
    does, ``ConfigError`` where there are not that many texts.
    """
    sample = read_starter_texts()
    if not 1 <= texts <= len(sample):
        raise ConfigError(f"texts must be between 1 and {len(sample)}, not {texts}")
    # From the end: the first ones calibrated the encoder.
    sample = sample[-texts:]
    queries = [_query(sample[place % texts], place) for place in range(_QUERIES)]
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(find_weights(DEFAULT_MODEL)), device="cpu")
    times: dict[str, list[float]] = {"segue": [], "reference": []}
    with tempfile.TemporaryDirectory() as scratch:
        export_encoder(DEFAULT_MODEL, Path(scratch))
        private_mib = _private_mib(Path(scratch), queries)
        encoder = TextEncoder.open(Path(scratch))
        encoder.encode(queries[:1])
        query_times = [_time(lambda text=query: encoder.encode([text])) for query in queries]  # type: ignore[misc]
        encoder.encode_all(sample[:_WARM_UP_TEXTS])
        reference.encode(sample[:_WARM_UP_TEXTS], show_progress_bar=False)
        for _ in range(_ROUNDS):
            ours, spent = _time(lambda: encoder.encode_all(sample))
            times["segue"].append(texts / spent)
            theirs, spent = _time(lambda: reference.encode(sample, show_progress_bar=False))
            times["reference"].append(texts / spent)
    asked = np.concatenate([vectors for vectors, _ in query_times])
    cosines = _cosines(ours, theirs)
    report = EncodeReport(
        texts=texts,
        cores=usable_cores(),
        precision=encoder.precision,
        segue_per_s=times["segue"],
        reference_per_s=times["reference"],
        lowest_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        lowest_query_cosine=float(_cosines(asked, reference.encode(queries, show_progress_bar=False)).min()),
        query_ms=[1000 * spent for _, spent in query_times],
        private_mib=private_mib,
    )
    if output is not None:
        output.write_text(report.as_json(), encoding="utf-8")
    return report


def _row(name: str, rates: list[float]) -> str:
    rounds = " ".join(f"{rate:.0f}" for rate in rates)
    return f"{name:23}best {max(rates):.0f}, median {statistics.median(rates):.0f}, rounds {rounds}"


def _query(text: str, place: int) -> str:
    return " ".join(text.replace(".", "").split()[: 1 + place % _QUERY_WORDS])


def _cosines(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float32]:
    cosines: NDArray[np.float32] = np.sum(ours * theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    return cosines


def _private_mib(folder: Path, queries: list[str]) -> float | None:
    """Memory, in MiB and shared with no file, that an encoder and queries add to a process of their own.

    None where there is no /proc.
    """
    if not Path("/proc/self/status").exists():
        return None
    command = [sys.executable, "-c", _MEMORY_PROGRAM, str(folder), *queries]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) * 1024 / _MIB


def _time(run: Callable[[], Any]) -> tuple[NDArray[np.float32], float]:
    start = time.perf_counter()
    vectors = run()
    return vectors, time.perf_counter() - start
