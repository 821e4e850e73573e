"""The network: four convolutions, pooling, seven features."""

from __future__ import annotations

from typing import Any, Final

from indexer.mel.spectrogram import SHAPE

#: Spotify's names, each from 0 to 1, in the order of the network's outputs and of every target matrix.
FEATURES: Final = (
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "liveness",
    "speechiness",
    "valence",
)
#: Filters and kernel of each convolution; strides are 2.
LAYERS: Final = ((8, 5), (16, 3), (32, 3), (64, 3))


def build_network(seed: int = 0) -> Any:
    """Build the untrained Keras network: (n, 2, 64, 820) → (n, 7) in [0, 1]; its 25,647 numbers follow the seed.

    As in the SpotiFlix project report: convolutions 2 → 8 → 16 → 32 → 64, 5×5 then 3×3, stride 2, each followed by
    ReLU and batch normalisation; the mean over both axes; linear to 7; sigmoid.
    """
    import keras

    layers: list[Any] = [keras.Input(SHAPE, name="spectrogram")]
    # Convolutions on a CPU want the channels last.
    layers.append(keras.layers.Permute((2, 3, 1), name="channels_last"))
    for number, (filters, kernel) in enumerate(LAYERS, start=1):
        weights = keras.initializers.HeNormal(seed=seed * 10 + number)
        layers += [
            keras.layers.Conv2D(
                filters,
                kernel,
                strides=2,
                padding="same",
                activation="relu",
                kernel_initializer=weights,
                name=f"convolution_{number}",
            ),
            keras.layers.BatchNormalization(momentum=0.9, name=f"normalisation_{number}"),
        ]
    last = keras.initializers.GlorotUniform(seed=seed * 10)
    layers += [
        keras.layers.GlobalAveragePooling2D(name="pooling"),
        keras.layers.Dense(len(FEATURES), activation="sigmoid", kernel_initializer=last, name="features"),
    ]
    return keras.Sequential(layers, name="spotiflix_mel")
