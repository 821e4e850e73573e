"""Methods by name: choosing, fitting into a version, opening."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer import methods
from indexer.errors import ConfigError, MissingMaterial, VersionDamaged
from indexer.methods.arrays import read_array
from indexer.methods.method import Material
from indexer.methods.popularity import Popularity

ROOT = Path(__file__).resolve().parents[2]
ALL = [
    "popularity",
    "random",
    "text-cosine",
    "crosstune",
    "music2movie",
    "music2movie-aligned",
    "spotiflix-sentiment",
    "spotiflix-clusters",
    "spotiflix-mel",
    "collaborative",
    "lyrics-cover",
]


@pytest.mark.parametrize(
    ("spec", "chosen"),
    [
        (["all"], ALL),
        (["none"], []),
        ([], []),
        (["random", "popularity", "random"], ["popularity", "random"]),
        (["all", "random"], ALL),
    ],
)
def test_a_choice_is_each_method_once_in_listed_order(spec: list[str], chosen: list[str]) -> None:
    assert methods.choose(spec) == chosen


@pytest.mark.parametrize("spec", [["populrity"], ["all", "populrity"], ["none", "populrity"]])
def test_an_unknown_method_is_told_with_the_known_ones(spec: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"unknown method 'populrity'; known are popularity, random, .*"):
        methods.choose(spec)
    with pytest.raises(ConfigError, match="known are"):
        methods.open_method(ROOT, "populrity")


def test_none_beside_a_method_makes_no_sense() -> None:
    with pytest.raises(ConfigError, match="none"):
        methods.choose(["none", "random"])


def test_fitted_methods_are_written_and_described(material: Material, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    found = methods.fit_methods(
        ["random", "popularity"], material, tmp_path / "methods", lambda *step: told.append(step)
    )
    assert list(found) == ["popularity", "random"]
    assert found["popularity"]["about"] == Popularity.about
    assert found["popularity"]["facts"] == {"unknown": {"movies": 1, "tracks": 2}}
    assert found["popularity"]["seconds"] >= 0
    assert json.loads(json.dumps(found)) == found
    assert told == [("methods", 0, 2), ("methods", 1, 2), ("methods", 2, 2)]
    opened = methods.open_method(tmp_path / "methods", "popularity")
    assert opened.scores("tracks", np.array([0]), "movies")[0, :3].tolist() == [50, 900, 300]


def test_all_leaves_out_what_lacks_its_material_and_says_so(
    material: Material, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = Material(material.catalogue, material.texts, material.encode)
    with caplog.at_level(logging.WARNING):
        found = methods.fit_methods(["all"], bare, tmp_path / "methods")
    assert list(found) == ALL
    missing = [name for name, told in found.items() if "missing" in told]
    assert missing == [
        "spotiflix-sentiment",
        "spotiflix-clusters",
        "spotiflix-mel",
        "collaborative",
        "lyrics-cover",
    ]
    assert "set ratings" in found["collaborative"]["missing"]
    assert [record.getMessage().split(" is not")[0] for record in caplog.records] == missing
    written = {path.name for path in (tmp_path / "methods").iterdir()}
    assert written == set(ALL) - set(missing)
    with pytest.raises(VersionDamaged):
        methods.open_method(tmp_path / "methods", "collaborative")


@pytest.mark.parametrize("spec", [["collaborative"], ["all", "collaborative"]])
def test_a_method_that_is_named_must_be_fitted(material: Material, tmp_path: Path, spec: list[str]) -> None:
    bare = Material(material.catalogue, material.texts, material.encode, {}, seed=3)
    with pytest.raises(MissingMaterial, match="ratings"):
        methods.fit_methods(spec, bare, tmp_path / "methods")


def test_nothing_chosen_writes_nothing(material: Material, tmp_path: Path) -> None:
    assert methods.fit_methods(["none"], material, tmp_path / "methods") == {}
    assert not (tmp_path / "methods").exists()


def test_importing_the_registry_and_every_method_loads_nothing_heavy() -> None:
    code = (
        "import json, sys\nfrom indexer import methods\nbefore = sorted(sys.modules)\n"
        "[methods.get(name) for name in methods.names()]\nprint(json.dumps([before, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = ({name.split(".")[0] for name in names} for names in json.loads(done.stdout))
    assert "numpy" not in before
    assert after & {"pandas", "sklearn", "scipy", "torch", "textblob", "nltk", "implicit", "faiss"} == set()


@pytest.mark.parametrize(("dtype", "dimensions"), [(np.float32, 1), (np.float64, 2), (np.dtype(">f4"), 2)])
def test_an_array_of_another_kind_is_damage(
    tmp_path: Path, dtype: np.typing.DTypeLike, dimensions: int
) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 3), np.float32))
    assert read_array(tmp_path / "a.npy", np.float32, 2).tolist() == [[1, 1, 1], [1, 1, 1]]
    with pytest.raises(VersionDamaged, match=r"a\.npy is not the kind of array"):
        read_array(tmp_path / "a.npy", dtype, dimensions)
