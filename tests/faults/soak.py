"""Hours in minutes: does memory stay where it is under a mixed load?"""

from __future__ import annotations

import contextlib
import http.client
import tempfile
import time
from pathlib import Path

from indexer import index_folder, publication
from tests.faults.commands import link_twin
from tests.faults.server_process import Load, percentile_ms, start_server
from tests.faults.small_index import start_warm
from tests.faults.verdict import Verdict
from tests.faults.workload import mixed_requests

CLAIM = "0 failed requests; resident memory drifts by less than 2 % after the warm-up"
_DRIFT = 0.02
_REQUESTS = 20_000


def run_soak(
    indexes: Path | None, port: int, minutes: float, sample_s: float, swap_every_s: float | None, clients: int
) -> Verdict:
    """Ask for ``minutes``; the first third is the warm-up. Memory is the PSS of all processes of the server.

    The drift is the mean of the last fifth of the samples over that of the first fifth after the warm-up, less 1.
    With ``swap_every_s``, two versions (hard links of one) take turns meanwhile.
    """
    verdict = Verdict("soak", CLAIM)
    with tempfile.TemporaryDirectory() as made:
        copy = Path(made) / "served"
        source = indexes or start_warm(Path(made)).indexes
        names = [index_folder.current_name(source)]
        link_twin(source, names[0], copy)
        (copy / "CURRENT").write_text(f"{names[0]}\n", encoding="utf-8")
        names.append(link_twin(copy, "newer"))
        samples: list[tuple[float, int]] = []
        with (
            start_server(copy, port) as server,
            Load(server, mixed_requests(copy, _REQUESTS), clients) as load,
        ):
            begun = time.monotonic()
            swapped, swaps = begun, 0
            while (now := time.monotonic()) < begun + 60 * minutes:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    samples.append((round(now - begun, 1), server.resident_bytes()))
                if swap_every_s and now - swapped >= swap_every_s:
                    swapped, swaps = now, swaps + 1
                    with index_folder.lock(copy):
                        publication.publish(copy, names[swaps % 2], force=True)
                time.sleep(max(0.0, min(sample_s, begun + 60 * minutes - time.monotonic())))
            verdict.expect(server.process.poll() is None, "the server ended")
        verdict.count("requests", len(load.seconds))
        verdict.count("failed", len(load.failures))
        verdict.count("swaps", swaps)
        verdict.count("samples", len(samples))
        verdict.expect(not load.failures, f"{len(load.failures)} requests failed, first {load.failures[:1]}")
        drift = measure_drift([size for _, size in samples])
        verdict.expect(abs(drift) < _DRIFT or drift < 0, f"memory drifts by {100 * drift:.2f} %")
        verdict.figures |= {
            "minutes": float(minutes),
            "drift %": 100 * drift,
            "MiB at the end": samples[-1][1] / 2**20,
            "p99 ms": percentile_ms([took for _, took in load.seconds], 0.99),
            "resident bytes by second": [list(sample) for sample in samples],
        }
    return verdict.finish()


def measure_drift(sizes: list[int]) -> float:
    """Growth after the warm-up (the first third), as a share; ValueError for fewer than six samples."""
    if len(sizes) < 6:
        raise ValueError(f"a drift needs at least 6 samples, not {len(sizes)}")
    steady = sizes[len(sizes) // 3 :]
    fifth = max(len(steady) // 5, 1)
    return (sum(steady[-fifth:]) / fifth) / (sum(steady[:fifth]) / fifth) - 1.0
