"""The load test without the load: every scenario against the real application, every check against wrong replies."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from indexer.errors import ConfigError, VersionNotFound
from indexer.index_folder import current_name, lock
from indexer.index_version import list_names, verify
from server.app import create_app
from server.load_test.__main__ import main
from server.load_test.limits import Limits, find_broken, find_needless_refusals
from server.load_test.measurements import (
    Figures,
    Measured,
    Publication,
    Swaps,
    by_scenario,
    count_faults,
    follow_swaps,
    percentile,
    read_measured,
    split_by_swaps,
)
from server.load_test.replies import (
    Reply,
    WrongReply,
    check_facets,
    check_filtered,
    check_item,
    check_matches,
    check_page,
    check_problem,
)
from server.load_test.report import BEGIN, END, make_report, write_docs
from server.load_test.samples import LoadTestFailed, Samples, gather
from server.load_test.scenarios import MIX, Request, deal, refusals
from server.load_test.swapping import Swapper, keep_shared, second_version
from server.search import Search
from server.settings import Settings


@pytest.fixture(scope="module")
def client(search: Search) -> FlaskClient:
    return create_app(Settings(), search).test_client()


@pytest.fixture(scope="module")
def samples(client: FlaskClient) -> Samples:
    return gather(lambda path: client.get(path).json, seed=7, items=60)


class Asker:
    """Asks the application, and notes each request and what was wrong with the reply."""

    def __init__(self, client: FlaskClient, spoil: Callable[[Any], None] = lambda body: None) -> None:
        self.asked: list[Request] = []
        self.faults: list[str] = []
        self._client = client
        self._spoil = spoil

    def __call__(self, request: Request, check: Callable[[Reply], Any]) -> Any:
        self.asked.append(request)
        given = (
            {"data": request.raw, "content_type": request.media_type}
            if request.raw is not None
            else {"json": request.body}
        )
        response = self._client.open(
            request.path, method=request.method, **given if request.method == "POST" else {}
        )
        body = copy.deepcopy(response.json)
        self._spoil(body)
        try:
            return check(Reply(response.status_code, response.mimetype, body))
        except WrongReply as error:
            self.faults.append(str(error))
            return None


@pytest.mark.parametrize("name", MIX)
def test_every_scenario_is_answered_right_by_the_real_application(client, samples, name):
    ask = Asker(client)
    rng = random.Random(3)
    for _ in range(12):
        MIX[name][1](ask, rng, samples)
    assert ask.faults == []
    assert len(ask.asked) == (36 if name == "paging" else 12)


@pytest.mark.parametrize(
    ("name", "spoil", "fault"),
    [
        ("title look-up", lambda body: body.update(index_version=""), "index_version is missing"),
        ("one item", lambda body: body.update(id="other"), "another item than the one asked for"),
        ("films for a song", lambda body: body["results"].reverse(), "ranks do not go on from the offset"),
        ("songs for a film", lambda body: body["results"].pop(), "the page is shorter than total allows"),
        ("similar songs", lambda body: body["results"][3].update(score=1.5), "a score is outside 0 to 1"),
        ("text search", lambda body: body["results"][0].update(raw_score=9), "reasons do not add up to the raw score"),
        ("nonsense", lambda body: body.update(status=200), "the problem states another status"),
    ],
)  # fmt: skip
def test_every_scenario_notices_a_wrong_reply(client, samples, name, spoil, fault):
    ask = Asker(client, spoil)
    MIX[name][1](ask, random.Random(3), samples)
    assert ask.faults == [fault]


def test_paging_notices_an_id_that_repeats_and_a_stop_at_the_first_page(client, samples):
    first: list[str] = []

    def repeat(body: Any) -> None:
        if first:
            body["results"][0]["id"] = first[0]
        else:
            first.append(body["results"][0]["id"])

    ask = Asker(client, repeat)
    MIX["paging"][1](ask, random.Random(3), samples)
    assert ask.faults == ["an id repeats on a page"]
    assert len(ask.asked) == 2


def test_paging_ends_without_a_fault_where_another_version_answers(client, samples):
    names = iter(["a", "b"])
    ask = Asker(client, lambda body: body.update(index_version=next(names)))
    unpinned = Samples(**{**vars(samples), "pinned": False})
    MIX["paging"][1](ask, random.Random(3), unpinned)
    assert (ask.faults, len(ask.asked)) == ([], 2)


def test_every_refusal_has_its_exact_status(client, samples):
    found = []
    for refusal in refusals(samples, random.Random(1)):
        ask = Asker(client)
        ask(refusal.request, lambda reply, wanted=refusal: check_problem(reply, wanted.status, wanted.field))
        found.append((refusal.status, ask.faults))
    statuses = Counter(status for status, _ in found)
    assert statuses == {404: 3, 405: 1, 400: 2, 415: 1, 422: 13}
    assert [faults for _, faults in found if faults] == []


def test_a_deck_has_the_weights_of_the_mix_and_a_seed_deals_it_the_same_way():
    size = sum(weight for weight, _ in MIX.values())
    cards = list(islice(deal(random.Random(5)), 2 * size))
    weights = {name: weight for name, (weight, _) in MIX.items()}
    assert Counter(cards[:size]) == weights
    assert Counter(cards[size:]) == weights
    assert cards == list(islice(deal(random.Random(5)), 2 * size))
    assert cards != list(islice(deal(random.Random(6)), 2 * size))


def test_samples_come_from_the_server_and_from_the_seed(client, samples, search, tmp_path):
    again = gather(lambda path: client.get(path).json, seed=7, items=60)
    other = gather(lambda path: client.get(path).json, seed=8, items=60)
    assert again == samples
    assert other.ids != samples.ids
    for medium in ("movies", "tracks"):
        assert len(set(samples.ids[medium])) == 60
        assert [search.item(medium, id).id for id in samples.ids[medium]] == samples.ids[medium]
    assert "Drama" in samples.genres["movies"]
    samples.write(tmp_path / "samples.json")
    assert Samples.read(tmp_path / "samples.json") == samples


def test_samples_need_something_to_ask_about():
    with pytest.raises(LoadTestFailed, match="the server holds fewer than two movies"):
        gather(lambda path: {"results": []}, seed=0)


HIT = {
    "id": "a",
    "rank": 1,
    "score": 0.9,
    "raw_score": 0.5,
    "reasons": [{"value": 0.5}],
    "genres": ["Drama"],
    "year": 1990,
}
ANSWER = {
    "index_version": "v1",
    "total": 5,
    "good_match": True,
    "results": [HIT, {**HIT, "id": "b", "rank": 2, "score": 0.4}],
}


def _spoilt(change: Callable[[Any], Any]) -> Reply:
    body = copy.deepcopy(ANSWER)
    change(body)
    return Reply(200, "application/json", body)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda b: b.pop("index_version"), "index_version is missing"),
        (lambda b: b.pop("total"), "total is missing"),
        (lambda b: b.update(results=None), "results are missing"),
        (lambda b: b["results"][1].update(rank=3), "ranks do not go on from the offset"),
        (lambda b: b["results"][1].update(id="a"), "an id comes twice"),
        (lambda b: b["results"][1].update(score=0.95), "scores rise along the list"),
        (lambda b: b["results"][1].update(score=-0.1), "a score is outside 0 to 1"),
        (lambda b: b["results"][1].update(score=None), "a score is no number"),
        (lambda b: b["results"][1].update(raw_score=0.6), "reasons do not add up to the raw score"),
        (lambda b: b["results"][1].update(reasons=[]), "a match has no reasons"),
        (lambda b: b["results"][1].update(id="input"), "an input is among its own matches"),
        (lambda b: b.update(good_match=1), "good_match is missing"),
        (lambda b: b.update(total=1), "the page is shorter than total allows"),
    ],
)
def test_a_wrong_answer_is_named(change, fault):
    assert check_matches(_spoilt(lambda b: None), limit=2, inputs=["input"]) == ANSWER
    with pytest.raises(WrongReply) as caught:
        check_matches(_spoilt(change), limit=2, inputs=["input"])
    assert str(caught.value) == fault


def test_an_answer_needs_its_status_its_media_type_and_a_body():
    for reply, fault in (
        (Reply(503, "application/problem+json", {}), "status 503 instead of 200"),
        (Reply(200, "text/html", None), "media type 'text/html'"),
        (Reply(200, "application/json", []), "the body is no JSON object"),
    ):
        with pytest.raises(WrongReply) as caught:
            check_item(reply, "a")
        assert str(caught.value) == fault


def test_a_result_that_a_filter_should_have_kept_out_is_named():
    check_filtered(ANSWER, {"genres": ["drama"], "year_min": 1990, "year_max": 1990})
    with pytest.raises(WrongReply, match="a result has none of the genres"):
        check_filtered(ANSWER, {"genres": ["Comedy"]})
    with pytest.raises(WrongReply, match="a year is out of range"):
        check_filtered(ANSWER, {"year_min": 1991})
    with pytest.raises(WrongReply, match="no year passes"):
        check_filtered({"results": [{**HIT, "year": None}]}, {"year_min": 1991})


def test_facets_are_counts_within_total():
    facets: dict[str, Any] = {"genres": {"Drama": 5}, "decades": {"1990": 2}, "languages": {}}
    check_facets({"total": 5, "facets": facets})
    with pytest.raises(WrongReply, match="a count of genres is not within total"):
        check_facets({"total": 4, "facets": facets})
    with pytest.raises(WrongReply, match="facets lack languages"):
        check_facets({"total": 5, "facets": {"genres": {}, "decades": {}}})


def test_a_later_page_may_not_score_higher():
    later = {"results": [{**HIT, "id": "c", "rank": 3, "score": 0.5}]}
    with pytest.raises(WrongReply, match="scores rise along the list"):
        check_page(later, [ANSWER])


def _row(at: float, version: str = "v1", ms: float = 100.0, fault: str = "", name: str = "a") -> Measured:
    return Measured(at, name, ms, 200, version, fault)


def test_percentiles_are_by_nearest_rank():
    times = [float(n) for n in range(1, 201)]
    assert [percentile(times, share) for share in (50, 95, 99, 100)] == [100.0, 190.0, 198.0, 200.0]
    assert (percentile([3.0], 99), percentile([], 99)) == (3.0, 0.0)


def test_figures_of_each_scenario_and_its_faults():
    rows = [_row(0.0), _row(1.0, ms=300.0, fault="late"), _row(3.9, name="b")]
    figures = by_scenario(rows)
    assert figures["a"] == Figures(2, 1, 0.5, 100.0, 300.0, 300.0, 300.0)
    assert figures["b"] == Figures(1, 0, 0.25, 100.0, 100.0, 100.0, 100.0)
    assert count_faults([*rows, rows[1]]) == [("a", "late", 2)]


def test_a_swap_is_seen_from_the_first_reply_of_the_published_version():
    rows = [_row(0.0), _row(10.5), _row(11.0, "v2"), _row(11.2), _row(12.0, "v2"), _row(25.0, "v2")]
    events = [Publication(10.0, "v2", 0.5), Publication(20.0, "v1", 0.5)]
    swaps = follow_swaps(rows, events)
    assert swaps.published[0] == Publication(10.0, "v2", 0.5, pytest.approx(1.1), 1, 10.0)
    assert swaps.published[1] == Publication(20.0, "v1", 0.5, None, 0, 5.0)
    assert (swaps.seen, swaps.changes) == (1, 3)
    during, steady = split_by_swaps(rows, events)
    assert [row.started_at for row in during] == [10.5, 11.0, 11.2, 12.0]
    assert [row.started_at for row in steady] == [0.0, 25.0]
    during, _ = split_by_swaps(rows, [Publication(10.0, "v2", 0.5, seen_after_s=16.0)])
    assert [row.started_at for row in during] == [10.5, 11.0, 11.2, 12.0, 25.0]


FIGURES = Figures(
    requests=200, errors=1, rps=40.0, p50_ms=5.0, p95_ms=60.0, p99_ms=90.0, worst_ms=120.0
)  # fmt: skip


def test_each_broken_limit_is_named_with_what_was_found():
    swaps = Swaps(
        (Publication(0.0, "v2", 0.1, 4.0, 0, 20.0), Publication(20.0, "v1", 0.1, None, 0, 20.0)), 1, ("locked",)
    )  # fmt: skip
    held = Limits(p95_ms=60, p99_ms=90, error_share=0.005, rps=40, swap_s=30)
    assert find_broken(held, FIGURES, Swaps((), 0)) == []
    assert find_broken(Limits(10, 20, 0.001, 50, 3), FIGURES, swaps) == [
        "p95_ms: 60.0 ms is above the limit of 10 ms",
        "p99_ms: 90.0 ms is above the limit of 20 ms",
        "error_share: 1 of 200 requests failed (0.5000%), the limit is 0.1000%",
        "rps: 40.0 requests a second are below the limit of 50",
        "swap_s: v2 answered 4.0 s after its publication, the limit is 3 s",
        "swap_s: v1 never answered in the 20.0 s after its publication",
        "swaps: locked",
    ]


def test_limits_are_read_and_unknown_ones_refused():
    assert Limits.parse("p99_ms=20, rps=5") == Limits(p99_ms=20.0, rps=5.0)
    assert Limits.parse("") == Limits()
    for text, message in (
        ("p42=1", "unknown limit 'p42=1'; known: p95_ms, p99_ms, error_share, rps, swap_s"),
        ("rps=fast", "the limit rps must be a number, not 'fast'"),
        ("rps=nan", "the limit rps must be a number from 0, not 'nan'"),
    ):
        with pytest.raises(ConfigError) as caught:
            Limits.parse(text)
        assert str(caught.value) == message


def test_a_page_refused_for_another_version_needs_another_version():
    rows = [Measured(0.0, "paging", 5.0, 409, "", "")]
    assert find_needless_refusals(rows, Swaps((), changes=1)) == []
    assert find_needless_refusals(rows, Swaps((), changes=0)) == [
        "paging: 1 pages were refused for another index version, yet only one ever answered"
    ]


def test_requests_that_were_not_written_are_a_clear_error(tmp_path):
    with pytest.raises(Exception, match=r"locust ended without writing requests\.csv"):
        read_measured(tmp_path / "requests.csv")


def _asked() -> dict[str, Any]:
    return {"users": 4, "spawn_rate": 2.0, "seconds": 8, "seed": 3, "swap_every": 0.0}


def test_the_figures_go_between_the_two_marks_and_nowhere_else(tmp_path):
    served = {
        "version": "v1",
        "counts": {"movies": 370, "tracks": 985},
        "server": {"workers": 1, "threads": 8},
    }
    report = make_report([_row(0.0), _row(1.9)], [], [], Limits(rps=0), _asked(), served, client_cpu_s=0.5)
    page = tmp_path / "load-test.md"
    page.write_text(f"above\n{BEGIN}\nold figures\n{END}\nbelow\n", encoding="utf-8")
    write_docs(report, page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"above\n{BEGIN}\n")
    assert text.endswith(f"{END}\nbelow\n")
    assert "| **all** | 2 | 1.0 | 100.0 | 100.0 | 100.0 | 0 |" in text
    assert "370 films and 985 songs" in text
    assert "old figures" not in text
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ConfigError, match="has no place for figures"):
        write_docs(report, page)


@pytest.fixture
def published(indexes: Path) -> Iterator[tuple[Path, str]]:
    name = current_name(indexes)
    yield indexes, name
    assert (list_names(indexes), current_name(indexes)) == ([name], name)
    assert [path.name for path in indexes.glob(".partial*")] == []


def test_a_lone_version_gets_a_twin_for_the_run(published, samples):
    indexes, name = published
    with second_version(indexes) as twin:
        assert twin == f"{name}-load-test"
        assert verify(indexes / twin) == verify(indexes / name)
        assert keep_shared(samples, indexes, twin) == samples
        with second_version(indexes) as found:
            assert found == twin


def test_versions_are_published_by_turns_and_the_first_one_at_the_end(published):
    indexes, name = published
    with second_version(indexes) as twin, Swapper(indexes, twin, every_s=3600) as swapper:
        assert [swapper.swap() for _ in range(3)] == [twin, name, twin]
        assert current_name(indexes) == twin
    assert swapper.failures == []


def test_a_publication_that_fails_is_noted_and_the_run_goes_on(published):
    indexes, name = published
    with second_version(indexes) as twin:
        swapper = Swapper(indexes, twin, every_s=0.01)
        with lock(indexes):
            with swapper:
                while len(swapper.failures) < 2:
                    swapper._stop.wait(0.01)
            assert "is working in" in swapper.failures[0]
        assert current_name(indexes) == name


def test_ids_that_one_version_lacks_are_left_out(samples, indexes):
    name = current_name(indexes)
    strange = Samples(**{**vars(samples), "ids": {**samples.ids, "movies": ["no-such-film"]}})
    with pytest.raises(LoadTestFailed, match="have no movies in common"):
        keep_shared(strange, indexes, name)
    mixed = Samples(
        **{**vars(samples), "ids": {**samples.ids, "movies": ["no-such-film", *samples.ids["movies"]]}}
    )
    assert keep_shared(mixed, indexes, name) == samples


def test_a_folder_without_a_version_has_no_second_one(tmp_path):
    with pytest.raises(VersionNotFound), second_version(tmp_path):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --indexes to have a server started, or --host for one that runs"),
        (["--host", "localhost:8000"], "--host must be an address such as http://127.0.0.1:8000"),
        (["--host", "http://h", "--swap-every", "20"], "--swap-every needs --indexes"),
        (["--host", "http://h", "--limits", "p42=1"], "unknown limit 'p42=1'"),
        (["--host", "http://h", "--users", "0"], "must be a whole number from 1"),
        (["--host", "http://h", "--spawn-rate", "fast"], "must be a number above 0"),
        (["--indexes", "no-such-folder"], "no index version is published in"),
    ],
)
def test_misuse_ends_with_2_and_one_clear_line(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--report", str(tmp_path)])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_swaps_must_be_further_apart_than_their_limit(starter_indexes, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--indexes", str(starter_indexes), "--swap-every", "5", "--report", str(tmp_path)])
    assert caught.value.code == 2
    assert "--swap-every must be longer than the limit swap_s (15 s)" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["--indexes", str(starter_indexes), "--swap-every", "20", "--report", str(tmp_path)])
    assert caught.value.code == 2
    assert "--seconds must be twice --swap-every at least" in capsys.readouterr().err


def test_a_server_that_does_not_answer_ends_with_1_and_one_clear_line(tmp_path, capsys):
    assert main(["--host", "http://127.0.0.1:9", "--report", str(tmp_path)]) == 1
    assert "load_test: no server answers at http://127.0.0.1:9" in capsys.readouterr().err
