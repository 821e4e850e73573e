"""The two engines, on models made here: the vector is the pooled one, and what is missing is said."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from indexer.errors import MissingModel
from indexer.features import picture_encoders
from indexer.features.picture_encoders import (
    MOBILENET,
    TfliteEncoder,
    open_cover_encoder,
    open_poster_encoder,
)

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PIXELS = np.random.default_rng(5).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def keras() -> Any:
    return picture_encoders._import_keras()


@pytest.fixture(scope="module")
def mobilenet_weights(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """MobileNetV2 with random weights, and the file that they are in."""
    keras.utils.set_random_seed(1)
    model = keras.applications.MobileNetV2(
        include_top=False, pooling="avg", input_shape=(32, 32, 3), weights=None
    )
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    model.save_weights(path)
    return model, path


@pytest.fixture(scope="module")
def tflite(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A small classifier in the manner of MobileNetV2's, as .tflite, and the part of it that should be read."""
    import tensorflow

    keras.utils.set_random_seed(2)
    asked = keras.Input((48, 48, 3), batch_size=1)
    spread = keras.layers.Conv2D(MOBILENET.dimension, 3, strides=4, activation="relu6")(asked)
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(spread)
    judged = keras.layers.Flatten()(keras.layers.Conv2D(7, 1)(pooled))
    path = tmp_path_factory.mktemp("tflite") / "small.tflite"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(
            tensorflow.lite.TFLiteConverter.from_keras_model(
                keras.Model(asked, keras.layers.Softmax()(judged))
            ).convert()
        )
    return keras.Model(asked, pooled), path


def test_keras_encodes_as_the_weights_file_says(mobilenet_weights: tuple[Any, Path]) -> None:
    model, path = mobilenet_weights
    encoder = open_poster_encoder(str(path), size_px=32)
    expected = np.asarray(model(PIXELS.astype(np.float32) / 127.5 - 1.0, training=False))
    np.testing.assert_allclose(encoder.encode(PIXELS), expected, rtol=1e-4, atol=1e-5)
    assert encoder.encode(PIXELS).shape == (3, 1280)
    assert encoder.facts["engine"].startswith("keras 3")
    assert {name: encoder.facts[name] for name in ("model", "weights", "dimension", "size_px")} == {
        "model": "MobileNetV2",
        "weights": "mobilenet.weights.h5",
        "dimension": 1280,
        "size_px": 32,
    }


def test_the_key_follows_the_weights(mobilenet_weights: tuple[Any, Path], tmp_path: Path) -> None:
    model, path = mobilenet_weights
    key = open_poster_encoder(str(path), size_px=32).key
    before = model.get_weights()
    try:
        model.set_weights([before[0] + 1, *before[1:]])
        model.save_weights(tmp_path / "other.weights.h5")
    finally:
        model.set_weights(before)
    other = open_poster_encoder(str(tmp_path / "other.weights.h5"), size_px=32).key
    assert other != key
    assert other.split()[:-1] == key.split()[:-1] == ["MobileNetV2", "keras", "32px", "decoding-1"]


def test_resnet_reads_covers_to_2048_numbers(keras: Any, tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    model = keras.applications.ResNet50(
        include_top=False, pooling="avg", input_shape=(32, 32, 3), weights=None
    )
    model.save_weights(tmp_path / "resnet.weights.h5")
    encoder = open_cover_encoder(str(tmp_path / "resnet.weights.h5"), size_px=32)
    # ResNet-50's authors took blue first, each channel around ImageNet's mean.
    ready = PIXELS.astype(np.float32)[..., ::-1] - np.array([103.939, 116.779, 123.68], dtype=np.float32)
    np.testing.assert_allclose(
        encoder.encode(PIXELS), np.asarray(model(ready, training=False)), rtol=1e-3, atol=1e-4
    )
    assert encoder.encode(PIXELS).shape == (3, 2048)
    assert encoder.facts["model"] == "ResNet50"


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x89HDF\r\n\x1a\n" + b"\0" * 100])
def test_a_file_that_holds_no_weights_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.weights.h5").write_bytes(content)
    with pytest.raises(MissingModel, match=r"bad.weights.h5 holds no weights of MobileNetV2"):
        open_poster_encoder(str(tmp_path / "bad.weights.h5"), size_px=32)


def test_weights_of_another_model_are_refused(keras: Any, tmp_path: Path) -> None:
    small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    small.save_weights(tmp_path / "small.weights.h5")
    with pytest.raises(MissingModel, match=r"small.weights.h5 holds no weights of ResNet50 .*--cover-model"):
        open_cover_encoder(str(tmp_path / "small.weights.h5"), size_px=32)


@pytest.fixture
def unreachable(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras' download fails as it does without a network."""

    def fail(*_: object, **__: object) -> None:
        raise Exception("URL fetch failure on https://weights.invalid: None -- Name or service not known")

    monkeypatch.setattr(keras.applications.mobilenet_v2, "MobileNetV2", fail)
    monkeypatch.setattr(keras.applications.resnet50, "ResNet50", fail)


@pytest.mark.usefixtures("unreachable")
def test_unreachable_weights_say_what_to_set() -> None:
    with pytest.raises(
        MissingModel, match=r"MobileNetV2 cannot be reached .*--poster-model.*--poster-tflite"
    ):
        open_poster_encoder()
    with pytest.raises(MissingModel, match=r"ResNet50 cannot be reached .*--cover-model"):
        open_cover_encoder()


@pytest.mark.usefixtures("unreachable")
def test_the_second_engine_takes_over_and_says_so(
    tflite: tuple[Any, Path], caplog: pytest.LogCaptureFixture
) -> None:
    encoder = open_poster_encoder(tflite=tflite[1], size_px=48)
    assert "posters are encoded with small.tflite instead" in caplog.text
    assert encoder.facts["engine"] == "litert"
    assert "cannot be reached" in encoder.facts["instead_of"]
    # The same file asked for by name stands in for nothing.
    assert "instead_of" not in open_poster_encoder(str(tflite[1])).facts


@pytest.mark.parametrize(("count", "size_px"), [(1, 48), (5, 48), (2, 96)])
def test_litert_reads_the_pooled_vector(tflite: tuple[Any, Path], count: int, size_px: int) -> None:
    """Of any number and size of pictures, though the file allows one of 48 pixels only."""
    model, path = tflite
    pixels = np.random.default_rng(7).integers(0, 256, (count, size_px, size_px, 3)).astype(np.uint8)
    layer = model.layers[1]
    expected = np.asarray(layer(pixels.astype(np.float32) / 127.5 - 1.0)).mean(axis=(1, 2))
    found = TfliteEncoder(path, size_px).encode(pixels)
    assert found.shape == (count, 1280)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"no model", b"\0\0\0\0TFL3" + b"\xff" * 64])
def test_a_file_that_is_no_tflite_model_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.tflite").write_bytes(content)
    with pytest.raises(MissingModel, match=r"bad.tflite is no .tflite model that can be used"):
        TfliteEncoder(tmp_path / "bad.tflite", 32).encode(PIXELS)


def test_a_tflite_model_without_such_a_vector_is_named(keras: Any, tmp_path: Path) -> None:
    import tensorflow

    asked = keras.Input((32, 32, 3), batch_size=1)
    model = keras.Model(asked, keras.layers.GlobalAveragePooling2D()(asked))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = tensorflow.lite.TFLiteConverter.from_keras_model(model).convert()
    (tmp_path / "other.tflite").write_bytes(content)
    with pytest.raises(MissingModel, match="nowhere computes 1280 numbers"):
        TfliteEncoder(tmp_path / "other.tflite", 32).encode(PIXELS)


def test_a_byte_stays_the_byte_it_is() -> None:
    every = np.arange(256, dtype=np.uint8)
    tensor = {"dtype": np.uint8, "quantization": (0.007843137718737125, 127)}
    assert (
        picture_encoders._quantise(every.astype(np.float32) / 127.5 - 1.0, tensor).tolist() == every.tolist()
    )


@pytest.mark.skipif(not (SHARED / "posters").is_dir(), reason="no real posters at hand")
def test_real_posters_tell_comedy_from_drama(tmp_path: Path) -> None:
    """A linear probe on 400 of them by the int8 model, trained on half of the films, judged on the other."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    from indexer.catalogue.tmdb import read_movies
    from indexer.features.pictures import read_posters
    from indexer.normalisation import unit

    movies, _ = read_movies(SHARED / "movies_19k.csv")
    has = {path.stem for path in (SHARED / "posters").iterdir()}
    comedy, drama = (movies["genres"].str.contains(name, na=False) for name in ("Comedy", "Drama"))
    some: pd.DataFrame = movies[movies["imdb_id"].isin(has) & (comedy != drama)].iloc[:400]
    options = {"poster_model": str(next((SHARED / "mobilenet").glob("*.tflite")))}
    found = read_posters(some, SHARED / "posters", options, tmp_path)
    assert found.rows.tolist() == list(range(400))
    funny = some["genres"].str.contains("Comedy").to_numpy()
    rows = unit(found.vectors)
    probe = LogisticRegression().fit(rows[::2], funny[::2])
    assert roc_auc_score(funny[1::2], probe.decision_function(rows[1::2])) >= 0.65


def test_keras_own_preparation_is_what_the_int8_file_was_made_for(keras: Any) -> None:
    ready = keras.applications.mobilenet_v2.preprocess_input(PIXELS.astype(np.float32))
    np.testing.assert_allclose(ready, PIXELS / 127.5 - 1.0, atol=1e-6)
