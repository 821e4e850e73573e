from __future__ import annotations

from pathlib import Path

import pytest

from indexer.errors import ConfigError
from server.settings import Settings


def test_nothing_set_gives_the_defaults():
    settings = Settings.from_environ({"HOME": "/root"})
    assert (settings.host, settings.port, settings.max_body_bytes) == ("127.0.0.1", 8000, 65536)
    assert settings.indexes == Path(__file__).resolve().parents[2] / "indexes"


def test_every_variable_is_read(tmp_path):
    environ = {
        "SEGUE_INDEXES": str(tmp_path),
        "HOST": "0.0.0.0",
        "PORT": "9000",
        "SEGUE_MAX_BODY_BYTES": "1024",
        "SEGUE_THREADS": "2",
        "SEGUE_STOP_TIMEOUT_S": "5",
    }
    assert Settings.from_environ(environ) == Settings(tmp_path.resolve(), "0.0.0.0", 9000, 1024, 2, 5)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", ""),
        ("PORT", "1_0"),
        ("HOST", " "),
        ("SEGUE_INDEXES", ""),
        ("SEGUE_MAX_BODY_BYTES", "0"),
        ("SEGUE_THREADS", "0"),
        ("SEGUE_STOP_TIMEOUT_S", "1.5"),
    ],
)
def test_a_bad_value_names_its_variable(variable, value):
    with pytest.raises(ConfigError, match=f"^{variable} "):
        Settings.from_environ({variable: value})
