"""The architecture as it was published."""

from __future__ import annotations

import numpy as np

from indexer.mel.network import FEATURES, build_network
from indexer.mel.weights import MelNetwork
from indexer.methods import audio_table


def test_the_layers_are_the_published_ones() -> None:
    network = build_network()
    shapes = [(layer.name, tuple(layer.output.shape[1:])) for layer in network.layers]
    assert shapes == [
        ("channels_last", (64, 820, 2)),
        ("convolution_1", (32, 410, 8)),
        ("normalisation_1", (32, 410, 8)),
        ("convolution_2", (16, 205, 16)),
        ("normalisation_2", (16, 205, 16)),
        ("convolution_3", (8, 103, 32)),
        ("normalisation_3", (8, 103, 32)),
        ("convolution_4", (4, 52, 64)),
        ("normalisation_4", (4, 52, 64)),
        ("pooling", (64,)),
        ("features", (7,)),
    ]
    convolutions = [layer for layer in network.layers if layer.name.startswith("convolution")]
    assert [layer.kernel_size for layer in convolutions] == [(5, 5), (3, 3), (3, 3), (3, 3)]
    assert {layer.strides for layer in convolutions} == {(2, 2)}
    assert {layer.activation.__name__ for layer in convolutions} == {"relu"}
    assert network.layers[-1].activation.__name__ == "sigmoid"


def test_the_number_of_parameters_is_that_of_the_layers() -> None:
    network = build_network()
    convolutions = [(2, 8, 25), (8, 16, 9), (16, 32, 9), (32, 64, 9)]
    counted = sum(inputs * filters * cells + filters for inputs, filters, cells in convolutions)
    normalised = 4 * (8 + 16 + 32 + 64)
    assert network.count_params() == counted + normalised + 64 * 7 + 7 == 25_647
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == 25_407


def test_the_outputs_are_the_methods_features_in_their_order() -> None:
    assert FEATURES == audio_table.FEATURES


def test_weights_follow_the_seed() -> None:
    kernels = [build_network(seed).layers[1].kernel.numpy() for seed in (4, 4, 5)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_features_lie_between_0_and_1_and_do_not_depend_on_company(untrained: MelNetwork) -> None:
    random = np.random.default_rng(0)
    heard = random.normal(-60, 20, (35, 2, 64, 820)).astype(np.float32)
    read = untrained.predict(heard)
    assert (read.shape, read.dtype) == ((35, 7), np.float32)
    assert ((read > 0) & (read < 1)).all()
    np.testing.assert_allclose(untrained.predict(heard[33:34])[0], read[33], atol=1e-5)
    assert untrained.predict(heard[:0]).shape == (0, 7)


def test_both_channels_are_heard(untrained: MelNetwork) -> None:
    heard = np.full((1, 2, 64, 820), -60.0, dtype=np.float32)
    left, right = heard.copy(), heard.copy()
    left[0, 0, :32], right[0, 1, :32] = -20, -20
    read = [untrained.predict(each)[0] for each in (heard, left, right)]
    assert np.abs(read[0] - read[1]).max() > 1e-3
    assert np.abs(read[1] - read[2]).max() > 1e-3
