"""The page about how good the answers are, and the evaluation report beside it."""

import shutil
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from indexer import index_folder
from indexer import index_version as versions
from server.app import create_app
from server.settings import Settings


@pytest.fixture
def copied(starter_indexes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(starter_indexes, tmp_path / "indexes"))


def open_client(indexes: Path) -> FlaskClient:
    return create_app(Settings(indexes=indexes)).test_client()


def test_the_card_is_shown_with_its_galleries(copied: Path) -> None:
    page = open_client(copied).get("/relevance")
    card = versions.verify(copied / index_folder.current_name(copied))["relevance"]
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "370 films" in text and "985 songs" in text
    assert f"{100 * card['song_to_film']['recall_10']['value']:.1f} %" in text
    assert "/report" not in text


def test_the_report_is_shown_once_it_is_written(copied: Path) -> None:
    client = open_client(copied)
    assert client.get("/report").status_code == 404
    path = index_folder.report_file(copied, index_folder.current_name(copied))
    path.parent.mkdir()
    path.write_text("<!doctype html><title>figures</title>", encoding="utf-8")
    shown = client.get("/report")
    assert shown.get_data(as_text=True) == "<!doctype html><title>figures</title>"
    assert shown.headers["Content-Security-Policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'"
    )
    assert "/report" in client.get("/relevance").get_data(as_text=True)
