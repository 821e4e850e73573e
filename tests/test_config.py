from pathlib import Path

import pytest

from indexer.config import BuildConfig
from indexer.errors import ConfigError


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="colour"):
        BuildConfig.from_dict({"movies": "m.csv", "tracks": "t.csv", "colour": "blue"})


def test_a_missing_setting_is_an_error() -> None:
    with pytest.raises(ConfigError, match="tracks"):
        BuildConfig.from_dict({"movies": "m.csv"})


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_cannot_weigh_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match="moods_weight"):
        BuildConfig(Path("m.csv"), Path("t.csv"), moods_weight=weight)


def test_all_weights_zero_compares_nothing() -> None:
    names = ("moods", "music", "scenes", "era", "feeling", "meaning", "learned")
    with pytest.raises(ConfigError, match="are 0"):
        BuildConfig.from_dict(
            {"movies": "m.csv", "tracks": "t.csv", **{f"{name}_weight": 0 for name in names}}
        )


def test_paths_become_paths_and_their_names_go_into_the_manifest() -> None:
    config = BuildConfig.from_dict({"movies": "data/m.csv", "tracks": "t.csv"})
    assert config.movies == Path("data/m.csv")
    assert config.to_dict()["movies"] == "m.csv"
