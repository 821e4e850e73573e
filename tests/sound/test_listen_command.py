"""The command line: files are heard, with the mel network where one is given."""

from __future__ import annotations

import importlib.util
import json

import pytest
from sound_files import sine, write_file

from indexer.__main__ import main
from indexer.commands import listen
from indexer.errors import SoundRefused
from indexer.sound.listening import FEATURES, Heard

HEARD = Heard(dict.fromkeys(FEATURES, 0.25), 120.0, -9.5, 20.0, "wav")


@pytest.fixture
def heard(monkeypatch) -> None:
    """Files are heard at once, all the same, but for those that say that they are bad."""

    def hear(content: bytes, limits: object) -> Heard:
        if content == b"bad":
            raise SoundRefused("there is nothing to hear in the file")
        return HEARD

    monkeypatch.setattr(listen, "listen", hear)


@pytest.fixture
def files(tmp_path) -> list[str]:
    """A bad file and a good one."""
    bad, good = tmp_path / "bad.wav", tmp_path / "good.wav"
    bad.write_bytes(b"bad")
    good.write_bytes(write_file(sine()))
    return [str(bad), str(good)]


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_the_mel_network_reads_what_was_accepted(heard, files, tmp_path, capsys, monkeypatch):
    from indexer.mel.estimator import MelEstimator
    from indexer.mel.weights import new_network

    model = tmp_path / "weights"
    new_network(-60.0, 20.0, seed=5).save(model, {})
    expected = MelEstimator.open(model).estimate_file(tmp_path / "good.wav")
    tried = []
    real = MelEstimator.estimate_file
    monkeypatch.setattr(
        MelEstimator, "estimate_file", lambda *given: (tried.append(given[1]), real(*given))[1]
    )
    assert main(["listen", "--json", "--estimator", "mel", "--mel-model", str(model), *files]) == 1
    printed, refused = capsys.readouterr()
    told = json.loads(printed)
    assert list(told["features"]) == list(FEATURES)
    assert told["features"] == {name: pytest.approx(expected[name], abs=1e-4) for name in FEATURES}
    assert told["features"] != HEARD.features
    assert (told["tempo"], told["loudness"], told["estimated"]) == (120.0, -9.5, True)
    # What the confined process refused is not decoded outside it.
    assert [path.name for path in tried] == ["good.wav"]
    assert "bad.wav: there is nothing to hear" in refused


def test_the_plain_estimator_is_left_as_it_is(heard, files, capsys):
    assert main(["listen", "--json", files[1]]) == 0
    assert json.loads(capsys.readouterr().out)["features"] == HEARD.features


@pytest.mark.parametrize("given", [["--estimator", "mel"], ["--mel-model", "weights"]])
def test_network_and_weights_go_together(files, capsys, given):
    assert main(["listen", *given, files[1]]) == 1
    assert "--estimator mel and --mel-model DIR go together" in capsys.readouterr().err


def test_a_folder_without_weights_is_named(heard, files, tmp_path, capsys):
    assert main(["listen", "--estimator", "mel", "--mel-model", str(tmp_path / "none"), files[1]]) == 1
    assert "no weights of the mel network" in capsys.readouterr().err
