import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from indexer.evaluation_report import page, write_html

VOID = {"meta", "br", "hr", "img", "link", "input"}
NASTY = '<script>alert("x")</script>&\'"'


class Page(HTMLParser):
    """Checks that tags nest, and gathers rows of cells, tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.captions: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag in ("caption", "figcaption", "h2"):
            self.captions.append("")
        elif tag in ("small", "div") and self.rows and "td" in self.open:
            self.rows[-1][-1] += " | "

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data
        if {"caption", "figcaption", "h2"} & set(self.open):
            self.captions[-1] += data

    def row(self, *start: str) -> list[str]:
        (found,) = [row for row in self.rows if row[: len(start)] == list(start)]
        return found


def figure(value: float | None, low: float | None = 0.0, high: float | None = 1.0) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high}


def direction(method: str, source: str, recall10: float, **more: Any) -> dict[str, Any]:
    target = {"tracks": "movies", "movies": "tracks"}[source]
    gallery = {"movies": 18648, "tracks": 81982}[target]
    return {
        "method": method,
        "source": source,
        "target": target,
        "gallery": gallery,
        "supported": True,
        "pairs": 412,
        "queries": 398,
        "recall": {
            "1": figure(0.0123, 0.004, 0.02),
            "10": figure(recall10, recall10 / 2, recall10 * 2),
            "100": figure(0.1571, 0.12, 0.19),
        },
        "mrr": figure(0.0321, 0.02, 0.04),
        "ndcg10": figure(0.0456, 0.03, 0.06),
        "median_percentile": figure(21.34, 19, 24),
        "median_peer_percentile": figure(33.3, 30, 36),
        "lists": {
            "lists": 1000,
            "length": 10,
            "gallery": gallery,
            "distinct_per_slot": figure(0.612, 0.6, 0.63),
            "distinct_if_random": 0.774,
            "distinct_by_position": figure(0.888, 0.87, 0.9),
            "largest_hub": figure(0.0135, 0.01, 0.02),
            "gini": figure(0.777, 0.7, 0.8),
            "skewness": figure(4.56, 4, 5),
            "diversity": None,
            "most_common": [0.0135, 0.012, 0.011],
        },
        "calibration": None,
        **more,
    }


@pytest.fixture
def evaluation() -> dict[str, Any]:
    calibration = {
        "true_pairs": 412,
        "random_pairs": 412,
        "ece15": figure(0.0371, 0.03, 0.06),
        "ece10": figure(0.0333, 0.02, 0.05),
        "curve": [
            {"mean": 0.25, "rate": 0.2, "count": 400, "weight": 0.5},
            {"mean": 0.75, "rate": 0.8, "count": 424, "weight": 0.5},
        ],
    }
    return {
        "format": 1,
        "settings": {"seed": 3, "draws": 1000},
        "galleries": {"movies": 18648, "tracks": 81982},
        "pairs": {"pairs": 412, "movies": 201, "tracks": 398, "lines": 420, "unmatched_lines": 8},
        "directions": [
            direction("segue", "tracks", 0.0654, calibration=calibration),
            direction("music2movie", "tracks", 0.003),
            direction("segue", "movies", 0.0421),
            {
                "method": "music2movie",
                "source": "movies",
                "target": "tracks",
                "gallery": 81982,
                "supported": False,
                "reason": "songs <only>",
            },
        ],
        "comparisons": [
            {
                "method": "music2movie",
                "reference": "segue",
                "source": "tracks",
                "target": "movies",
                "gallery": 18648,
                "measure": "recall@10",
                "pairs": 412,
                "difference": figure(0.0624, 0.04, 0.08),
                "ratio": figure(21.8, 9.5, None),
                "p": 0.00011,
                "p_holm": 0.0022,
            }
        ],
        "labels": [
            {
                "task": "film tags",
                "method": "segue",
                "measure": "recall@100, mean over pairs",
                "figure": figure(0.2041, 0.19, 0.22),
                "gallery": 18648,
                "queries": 120,
                "examples": 2200,
            }
        ],
        "facts": {"spotiflix-clusters": {"silhouette_songs": 0.12345, "note": "<b>k</b>"}},
    }


def test_tables_show_the_given_figures_with_intervals(evaluation: dict[str, Any]) -> None:
    read = Page(page(evaluation))
    segue = [row for row in read.rows if row[0] == "segue"]
    assert segue[0] == [
        "segue",
        "1.23 | 0.40 to 2.00",
        "6.54 | 3.27 to 13.08",
        "15.71 | 12.00 to 19.00",
        "0.0321 | 0.0200 to 0.0400",
        "0.0456 | 0.0300 to 0.0600",
        "21.3 | 19.0 to 24.0",
        "33.3 | 30.0 to 36.0",
    ]
    assert segue[1] == [
        "segue",
        "0.612 | 0.600 to 0.630",
        "0.888 | 0.870 to 0.900",
        "1.35 | 1.00 to 2.00",
        "0.777 | 0.700 to 0.800",
        "4.56 | 4.00 to 5.00",
        "–",
    ]
    assert read.row("film tags") == [
        "film tags",
        "segue",
        "recall@100, mean over pairs",
        "0.204 | 0.190 to 0.220",
        "18,648",
        "120",
        "2,200",
    ]
    assert "lines left out because an id is not in the galleries: 8." in read.text


def test_a_ratio_that_is_not_finite_is_shown_as_infinite(evaluation: dict[str, Any]) -> None:
    read = Page(page(evaluation))
    assert read.row("song → film") == [
        "song → film",
        "18,648",
        "segue to music2movie",
        "6.24 | 4.00 to 8.00",
        "21.80 | 9.50 to ∞",
        "0.0001",
        "0.0022",
    ]


def test_each_table_and_plot_of_a_direction_names_its_gallery(evaluation: dict[str, Any]) -> None:
    captions = Page(page(evaluation)).captions
    there = captions.index("song → film: 18,648 films")
    back = captions.index("film → song: 81,982 songs")
    # Two tables, four plots, and a reliability curve where there is one.
    assert all("18,648 films" in caption for caption in captions[there:back])
    assert back - there == 8
    assert all("81,982 songs" in caption for caption in captions[back : back + 7])


def test_the_systems_stand_with_their_published_figures(evaluation: dict[str, Any]) -> None:
    read = Page(page(evaluation))
    music = read.row("Music2Movie (Cross-Media Recommendation)")
    assert music[2].startswith("no ranking accuracy published")
    assert music[3].startswith("R@10 0.30 (0.15 to 0.60) %, largest hub 1.4")
    assert music[4] == "does not answer"
    assert "47 %" in music[6]
    mel = read.row("Spotiflix, mel-spectrogram model")
    assert mel[1:5] == ["not built", "error 0.339", "not run", "not run"]
    assert "Worse than always answering 0.5" in mel[6]
    clusters = read.row("Spotiflix, clusters")
    assert "0.13 (songs) and 0.30 (soundtracks)" in clusters[2]
    assert "82 %" in clusters[2]
    assert clusters[5] == " | silhouette_songs: 0.1235 | note: <b>k</b>"
    assert read.row("CrossTune")[2] == "not published"
    assert read.row("Lyrics and cover")[2] == "not published"


def test_a_direction_that_is_not_answered_is_told(evaluation: dict[str, Any]) -> None:
    assert "music2movie does not answer film → song: songs <only>" in Page(page(evaluation)).text


def test_bars_are_as_long_as_their_figures(evaluation: dict[str, Any]) -> None:
    bars = re.findall(r'<rect x="150" y="(\d+)" width="([\d.]+)"', page(evaluation))
    # Recall at 10 in the first direction: the scale ends at the widest interval, 13.08 %.
    assert [(int(y), float(width)) for y, width in bars[:2]] == [
        (8, pytest.approx(250 * 6.54 / 13.08, abs=0.1)),
        (34, pytest.approx(250 * 0.3 / 13.08, abs=0.1)),
    ]


def test_the_reliability_curve_goes_through_its_points(evaluation: dict[str, Any]) -> None:
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', page(evaluation))
    assert circles == [("180.0", "212.0"), ("300.0", "68.0")]


def test_nothing_from_the_evaluation_becomes_markup(evaluation: dict[str, Any]) -> None:
    for entry in evaluation["directions"]:
        entry["method"] = entry["reason"] = NASTY
    evaluation["comparisons"][0]["method"] = evaluation["labels"][0]["task"] = NASTY
    evaluation["facts"] = {"crosstune": {NASTY: NASTY}}
    text = page(evaluation)
    read = Page(text)
    assert "script" not in read.tags
    assert "b" not in read.tags
    assert "<script" not in text
    assert NASTY in read.text
    assert not [name for name, _ in read.attributes if name.startswith("on")]


def test_the_page_needs_nothing_from_elsewhere(evaluation: dict[str, Any]) -> None:
    text = page(evaluation)
    read = Page(text)
    assert read.tags.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert not [v for name, v in read.attributes if name in ("src", "href", "srcset")]
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text


def test_all_zero_figures_can_be_drawn(evaluation: dict[str, Any]) -> None:
    for entry in evaluation["directions"][:3]:
        entry["recall"] = {k: figure(0.0, 0.0, 0.0) for k in ("1", "10", "100")}
    text = page(evaluation)
    assert next(row[2] for row in Page(text).rows if row[0] == "music2movie") == "0.00 | 0.00 to 0.00"
    assert re.findall(r'<rect x="150" y="8" width="([\d.]+)"', text)[0] == "0.0"


def test_an_evaluation_of_nothing_but_pairs_is_a_page(evaluation: dict[str, Any]) -> None:
    read = Page(page({**evaluation, "directions": [], "comparisons": [], "labels": [], "facts": {}}))
    assert read.captions == ["Published figures beside ours"]


def test_the_file_is_the_page_and_nothing_else_is_left(evaluation: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old", encoding="utf-8")
    write_html(evaluation, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page(evaluation)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
