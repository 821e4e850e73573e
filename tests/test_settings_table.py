"""The table of settings, its documentation and the limits of the API say the same."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path

import pytest

from indexer.errors import ConfigError
from server import settings as module
from server.settings import API_LIMITS, VARIABLES, Settings, drop_shared_metrics, share_metrics, show_default

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table whose first heading is given: name → the other cells."""
    table = DOCUMENT.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_the_document_lists_every_variable_as_it_is_and_no_other():
    expected = {}
    for name, variable in VARIABLES.items():
        default = show_default(variable)
        expected[name] = [
            f"`{default}`" if default else "",
            variable.unit,
            variable.kind.range,
            variable.meaning,
        ]
    assert rows("variable") == expected


def test_the_document_lists_every_limit_as_it_is_and_no_other():
    assert rows("limit") == {
        name: [str(value), unit, meaning] for name, (value, unit, meaning) in API_LIMITS.items()
    }


def test_the_listed_limits_are_the_ones_in_force():
    constants = {name: value for name, value in vars(module).items() if name.startswith("MAX_")}
    assert {name: value for name, (value, _, _) in API_LIMITS.items()} == constants


def test_every_setting_has_one_variable():
    settings = [variable.setting for variable in VARIABLES.values()]
    assert sorted(settings) == sorted(field.name for field in dataclasses.fields(Settings))


def test_every_default_is_a_value_that_may_be_set():
    for name, variable in VARIABLES.items():
        default = getattr(Settings(), variable.setting)
        if default is not None and default != ():
            assert variable.kind.read(str(default)) == default, name


def test_every_variable_of_the_program_is_in_the_table():
    places = [*(ROOT / "server").rglob("*.py"), ROOT / "gunicorn.conf.py", ROOT / "scripts" / "serve"]
    named = set()
    for place in places:
        named |= set(re.findall(r"\bSEGUE_[A-Z_]+[A-Z]\b", place.read_text(encoding="utf-8")))
    assert named <= set(VARIABLES)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SEGUE_POLL_S", "0.25", 0.25),
        ("SEGUE_POLL_S", "60", 60.0),
        ("SEGUE_WORKERS", "2", 2),
        ("SEGUE_MAX_REQUESTS", "0", 0),
        ("SEGUE_REQUEST_TIMEOUT_S", "90", 90),
        ("SEGUE_KEEPALIVE_S", "0", 0),
        ("SEGUE_LOG_LEVEL", "WARNING", "warning"),
        ("SEGUE_LOG_FORMAT", "text", "text"),
        ("SEGUE_API_KEYS", "a:1, b:2", ("a:1", "b:2")),
        ("SEGUE_RATE_LIMIT", " 600/Minute ", "600/minute"),
        ("SEGUE_RATE_LIMIT", "", ""),
        ("SEGUE_RATE_LIMIT_STORE", "rediss://:pw@host:6379/1", "rediss://:pw@host:6379/1"),
        (
            "SEGUE_CORS_ORIGINS",
            "https://A.example,http://localhost:3000",
            ("https://a.example", "http://localhost:3000"),
        ),
        ("SEGUE_TRUSTED_PROXIES", "1", 1),
    ],
)
def test_values_are_read(variable, value, expected):
    settings = Settings.from_environ({variable: value})
    assert getattr(settings, VARIABLES[variable].setting) == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SEGUE_POLL_S", "0.05"),
        ("SEGUE_POLL_S", "61"),
        ("SEGUE_POLL_S", "nan"),
        ("SEGUE_POLL_S", "1e1"),
        ("SEGUE_POLL_S", ""),
        ("SEGUE_WORKERS", "0"),
        ("SEGUE_KEEPALIVE_S", "-1"),
        ("SEGUE_LOG_LEVEL", "loud"),
        ("SEGUE_LOG_FORMAT", ""),
        ("SEGUE_API_KEYS", ""),
        ("SEGUE_API_KEYS", "a:1,,b:2"),
        ("SEGUE_API_KEYS_FILE", " "),
        ("SEGUE_RATE_LIMIT", "600"),
        ("SEGUE_RATE_LIMIT", "0/minute"),
        ("SEGUE_RATE_LIMIT", "5/fortnight"),
        ("SEGUE_RATE_LIMIT_STORE", "http://host"),
        ("SEGUE_CORS_ORIGINS", "*"),
        ("SEGUE_CORS_ORIGINS", "https://a.example/"),
        ("SEGUE_CORS_ORIGINS", "a.example"),
        ("SEGUE_TRUSTED_PROXIES", "11"),
    ],
)
def test_a_bad_value_names_its_variable(variable, value):
    with pytest.raises(ConfigError, match=f"^{variable} "):
        Settings.from_environ({variable: value})


def test_a_password_of_the_store_is_neither_shown_nor_repeated():
    assert "secret" not in repr(Settings(rate_limit_store="redis://:secret@host"))
    with pytest.raises(ConfigError) as raised:
        Settings.from_environ({"SEGUE_RATE_LIMIT_STORE": "rdis://:secret@host"})
    assert "secret" not in str(raised.value)


@pytest.fixture
def unshared(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder is shared yet, nor after the test."""
    monkeypatch.setattr(module, "_shared_folder", None)
    monkeypatch.setattr(module, "_is_temporary", False)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")


def test_one_worker_shares_no_figures(unshared):
    assert share_metrics(Settings(workers=1)) is None
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == ""


def test_the_folder_of_figures_is_made_and_emptied_once_and_stays(unshared, tmp_path):
    folder = tmp_path / "a" / "figures"
    folder.mkdir(parents=True)
    (folder / "counter_1.db").write_bytes(b"old")
    (folder / "notes.txt").write_bytes(b"not ours")
    assert share_metrics(Settings(metrics_folder=folder)) == folder
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(folder)
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
    (folder / "counter_2.db").write_bytes(b"new")
    assert share_metrics(Settings(metrics_folder=folder)) == folder
    drop_shared_metrics()
    assert sorted(file.name for file in folder.iterdir()) == ["counter_2.db", "notes.txt"]


def test_several_workers_get_a_temporary_folder_that_goes_at_the_end(unshared):
    folder = share_metrics(Settings(workers=2))
    assert folder is not None
    assert folder.is_dir()
    assert Settings.from_environ().metrics_folder == folder.resolve()
    drop_shared_metrics()
    assert not folder.exists()
