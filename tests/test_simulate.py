"""The simulation of many shards gives what can be worked out on paper, and the arithmetic of sizes adds up."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pytest

from indexer.benchmarks import million_costs
from indexer.benchmarks.__main__ import main
from indexer.benchmarks.million_costs import Rates
from indexer.benchmarks.simulate import Draw, Fleet, Times, read_samples, sample_of, simulate
from indexer.errors import ConfigError, UnreadableFile

MEAN_MS = 10.0


def exponential(mean_ms: float = MEAN_MS) -> Draw:
    return lambda random, shape: random.exponential(mean_ms, shape)


def run(fleet: Fleet, rate_per_s: float = 0.0, queries: int = 60_000) -> Times:
    return simulate(exponential(), fleet, rate_per_s, queries, seed=4)


@pytest.mark.parametrize("shards", [1, 2, 10, 50])
def test_at_rest_the_slowest_of_many_exponentials_is_waited_for(shards: int) -> None:
    times = run(Fleet(shards), queries=40_000)
    harmonic = sum(1 / n for n in range(1, shards + 1))
    assert times.mean() == pytest.approx(MEAN_MS * harmonic, rel=0.02)
    for share in (0.5, 0.99):
        expected = -MEAN_MS * math.log(1 - share ** (1 / shards))
        assert np.quantile(times, share) == pytest.approx(expected, rel=0.04)


def test_merging_is_added_to_every_search() -> None:
    plain, merged = run(Fleet(3), queries=500), run(Fleet(3, merge_ms=2.5), queries=500)
    assert merged == pytest.approx(plain + 2.5)


def test_one_queue_under_load_is_that_of_the_textbook() -> None:
    # M/M/1 at 60 %: the time in the system is exponential with the mean 1 / (μ − λ).
    times = run(Fleet(1), rate_per_s=60.0, queries=200_000)
    mean = 1000 / (100 - 60)
    assert times.mean() == pytest.approx(mean, rel=0.05)
    assert np.quantile(times, 0.5) == pytest.approx(mean * math.log(2), rel=0.05)


def test_two_replicas_share_one_line_of_waiting_requests() -> None:
    # M/M/2: the replica that is free the soonest takes the next, which is one queue with two servers (Erlang C).
    load = 0.7
    times = run(Fleet(1, replicas=2), rate_per_s=100 * 2 * load, queries=200_000)
    asked = 2 * load
    waits = asked**2 / (2 * (1 - load)) / (1 + asked + asked**2 / (2 * (1 - load)))
    expected = MEAN_MS + waits * MEAN_MS / (2 * (1 - load))
    assert times.mean() == pytest.approx(expected, rel=0.05)


def test_a_hedged_request_ends_with_the_faster_of_both() -> None:
    hedge = 20.0
    times = run(Fleet(1, replicas=2, hedge_ms=hedge))
    # P(T > t) = e^-t for t up to the hedge h, then e^-t · e^-(t - h).
    assert np.mean(times > 15.0) == pytest.approx(math.exp(-1.5), rel=0.03)
    assert np.mean(times > 25.0) == pytest.approx(math.exp(-2.5 - 0.5), rel=0.08)
    assert np.quantile(times, 0.99) == pytest.approx((MEAN_MS * math.log(100) + hedge) / 2, rel=0.05)


def test_hedging_shortens_the_tail_of_many_shards() -> None:
    plain = run(Fleet(32, replicas=2), queries=4_000)
    hedged = run(Fleet(32, replicas=2, hedge_ms=30.0), queries=4_000)
    assert np.quantile(hedged, 0.99) < 0.75 * np.quantile(plain, 0.99)
    assert np.median(hedged) < np.median(plain)


def test_only_so_many_requests_are_sent_again() -> None:
    def slowest(most: float) -> Times:
        return run(Fleet(1, replicas=2, hedge_ms=5.0, hedge_most=most), rate_per_s=120.0, queries=5_000)

    plain = run(Fleet(1, replicas=2), rate_per_s=120.0, queries=5_000)
    # Times are drawn alike, so without hedges nothing differs; with all of them the queues never empty.
    assert slowest(0.0).mean() == pytest.approx(plain.mean(), rel=0.1)
    assert slowest(1.0).mean() > 1.2 * slowest(0.05).mean()


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    fleet = Fleet(4, replicas=2, hedge_ms=12.0)
    first = simulate(exponential(), fleet, 50.0, 300, seed=1)
    assert (simulate(exponential(), fleet, 50.0, 300, seed=1) == first).all()
    assert (simulate(exponential(), fleet, 50.0, 300, seed=2) != first).any()


def test_equal_times_stay_what_they_are() -> None:
    assert set(simulate(sample_of(np.array([3.0])), Fleet(8), 0.0, 100, seed=0).round(6)) == {3.0}


@pytest.mark.parametrize(
    ("shards", "replicas", "hedge_ms", "said"),
    [(0, 1, None, "at least one"), (1, 0, None, "at least one"), (2, 1, 5.0, "another replica")],
)
def test_a_fleet_that_cannot_be_is_refused(
    shards: int, replicas: int, hedge_ms: float | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        Fleet(shards, replicas, hedge_ms)


@pytest.mark.parametrize("times", [[], [1.0, -0.5], [float("nan")]])
def test_what_are_no_times_is_refused(times: list[float]) -> None:
    with pytest.raises(ConfigError, match="latencies"):
        sample_of(np.array(times))


def test_samples_are_read_from_what_the_other_benchmark_wrote(tmp_path: Path) -> None:
    stages = {
        "search movies": {"unfiltered_ms": [1.0, 2.0]},
        "serve": {"scenarios": [{"scenario": "films for a song", "http_ms": [3.0]}]},
        "map": {"failed": "no room"},
    }
    path = tmp_path / "found.json"
    path.write_text(json.dumps({"stages": stages, "latencies_ms": {"own": [4.0]}}), encoding="utf-8")
    found = {name: times.tolist() for name, times in read_samples(path).items()}
    assert found == {"search movies": [1.0, 2.0], "films for a song": [3.0], "own": [4.0]}
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(UnreadableFile, match="no latencies"):
        read_samples(path)


RATES = Rates(
    index_bytes=2.0**20,
    other_bytes=2.0**19,
    disk_bytes=2.0**22,
    encode_rate=100.0,
    texts_an_item=1.5,
    node_gib=10.0,
    node_cores=4,
    usable=0.5,
    core_hour=0.05,
    gib_hour=0.01,
)


def test_needs_are_the_sums_that_they_say() -> None:
    found = RATES.needs(10_240)
    assert (found.index_gib, found.other_gib, found.disk_gib) == (10.0, 5.0, 40.0)
    assert found.nodes == 3  # 15 GiB where 5 of each node may be filled
    assert found.encode_hours == pytest.approx(10_240 * 1.5 / 100 / 3600)
    assert found.encode_price == pytest.approx(found.encode_hours * (4 * 0.05 + 10 * 0.01))
    assert found.month_price == pytest.approx(3 * 0.3 * 730)
    assert RATES.needs(10_241).nodes == 4


def test_the_command_prints_shards_and_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, written = tmp_path / "found.json", tmp_path / "simulated.json"
    path.write_text(json.dumps({"latencies_ms": {"one": [2.0, 2.0, 8.0]}}), encoding="utf-8")
    arguments = [
        "simulate",
        "--latencies",
        str(path),
        "--sample",
        "one",
        "--queries",
        "400",
        "--merge-ms",
        "1",
    ]
    arguments += ["--shards", "1", "64", "--loads", "0", "--kinds", "ivf=128", "--items", "1000000"]
    assert main([*arguments, "--json", str(written)]) == 0
    printed = capsys.readouterr().out
    assert "| 1,000,000 | 0.1 | 0.4 | 3 | 1 | 1.1 |" in printed
    fleets = json.loads(written.read_text(encoding="utf-8"))["fleets"]
    alone = {(row["shards"], row["replicas"], row["hedged"]): row["p50_ms"] for row in fleets}
    assert alone[1, 1, False] == 3.0
    assert alone[64, 1, False] == 9.0  # one of 64 is slow all but always
    assert main([*arguments[:4], "none"]) == 1


def test_a_kind_needs_its_bytes() -> None:
    parser = argparse.ArgumentParser()
    million_costs.add_arguments(parser)
    with pytest.raises(ConfigError, match="no kind with its bytes"):
        million_costs.make_tables(parser.parse_args(["--kinds", "ivf"]))
