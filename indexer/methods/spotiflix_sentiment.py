"""SpotiFlix's first idea: a song fits the films that are as positive as it is.

How positive a text is comes from VADER (Hutto & Gilbert, 2014): pos / (pos + neg) of its scores. Songs without
lyrics get theirs from a linear regression on seven audio features, as in the SpotiFlix project report: one
Linear(7 → 1), Adam, learning rate 0.001, 40 epochs, mean squared error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import UnreadableFile, VersionDamaged
from indexer.features.long_text import rate_positivity
from indexer.features.long_text_files import find_texts
from indexer.methods.audio_table import (
    FEATURES,
    Features,
    hold_out,
    read_audio_table,
    read_fitted,
    repeatable_torch,
    track_features,
    train,
    write_fitted,
)
from indexer.methods.method import Floats, Material, Method, Rows

if TYPE_CHECKING:
    import pandas as pd

_SETTING = "song_positivity"
_EPOCHS = 40
_LEARNING_RATE = 0.001
#: The report gives no batch size; with this one 40 epochs of some 4,000 songs come near least squares.
_BATCH_ROWS = 32
_VALIDATION_SHARE = 0.15
#: Settings of the files whose texts speak for an item: before a film's overview and a song's sound.
_FILES: Mapping[Medium, str] = {"movies": "film_texts", "tracks": "lyrics"}


@dataclass(frozen=True)
class SpotiflixSentiment(Method):
    """Nearest positivity. ``positivity``: medium → (n,) float32 in [0, 1], NaN where nothing is known.

    A song's score for a film is 1 / (1 + |difference|): 1 when equally positive, ½ at the far ends, and 0 where
    either side is unknown, which is never a match. All four directions work the same way.
    """

    name = "spotiflix-sentiment"
    about = "SpotiFlix: films whose text is as positive (VADER) as the song sounds (linear on audio features)"

    positivity: Mapping[Medium, Floats]
    figures: Mapping[str, Any]

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Rate the catalogue's texts, and its songs by a regression on ``song_positivity``.

        That file holds ``pos_percent`` (in [0, 1]), the seven features and, where there, ``artist``: then no
        artist is on both sides of the validation split. Raises ``MissingMaterial``, ``UnreadableFile`` or
        ``MissingColumn``.
        """
        weights, regression = _fit_regression(material)
        movies, tracks = material.catalogue.movies, material.catalogue.tracks
        overviews, scripts = _rate_overviews(movies), _rate_files(material, "movies", movies)
        films = np.where(np.isnan(scripts), overviews, scripts)
        features, _ = track_features(tracks)
        heard = np.clip(features @ weights[:-1] + weights[-1], 0.0, 1.0)  # NaN stays NaN
        read = _rate_files(material, "tracks", tracks)
        songs = np.where(np.isnan(read), heard, read)
        figures = {
            "regression": regression,
            "movies": {**_describe(films), "from_texts": int(np.isfinite(scripts).sum())},
            "tracks": {**_describe(songs), "from_lyrics": int(np.isfinite(read).sum())},
        }
        return cls({"movies": films.astype(np.float32), "tracks": songs.astype(np.float32)}, figures)

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Score by nearness of positivity, (rows, items) float32 in [0, 1]; 0 where either side is unknown."""
        asked = self.positivity[source][rows][:, None]
        near = np.float32(1.0) / (np.float32(1.0) + np.abs(asked - self.positivity[target][None, :]))
        scores: Floats = np.nan_to_num(near, copy=False, nan=0.0)
        return scores

    @property
    def facts(self) -> Mapping[str, Any]:
        """Errors of the regression beside those of a constant, and how many items are unknown."""
        return self.figures

    def write(self, folder: Path) -> None:
        """Write ``movies.npy``, ``tracks.npy`` and the figures."""
        write_fitted(folder, {str(m): values for m, values in self.positivity.items()}, self.figures)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        arrays, figures = read_fitted(folder, {"movies": (np.float32, 1), "tracks": (np.float32, 1)})
        for name, values in arrays.items():
            if not np.all(np.isnan(values) | ((values >= 0) & (values <= 1))):
                raise VersionDamaged(f"{folder.name}/{name}.npy: a positivity outside 0 to 1")
        return cls({"movies": arrays["movies"], "tracks": arrays["tracks"]}, figures)


def _fit_regression(material: Material) -> tuple[npt.NDArray[np.float64], dict[str, Any]]:
    """Seven weights and the intercept, (8,) float64, and how well they predict."""
    import torch

    table = read_audio_table(material, _SETTING, numbers=("pos_percent",))
    features, wanted = table.features, table.cells["pos_percent"].to_numpy(dtype=np.float64)
    # Songs of one artist are alike: with the artist on both sides the validation part would flatter.
    by_artist = "artist" in table.cells.columns
    groups = table.cells["artist"].factorize()[0].astype(np.int64) if by_artist else np.arange(len(wanted))
    if len(np.unique(groups)) < 2:
        raise UnreadableFile(f"{table.path}: {len(wanted)} usable rows are too few to fit and to validate on")
    held = hold_out(groups, _VALIDATION_SHARE, material.seed)
    with repeatable_torch(material.seed):
        network = torch.nn.Linear(len(FEATURES), 1)
        inputs = torch.tensor(features[~held], dtype=torch.float32)
        targets = torch.tensor(wanted[~held, None], dtype=torch.float32)
        train(
            network,
            torch.nn.MSELoss(),
            inputs,
            targets,
            epochs=_EPOCHS,
            batch_rows=_BATCH_ROWS,
            learning_rate=_LEARNING_RATE,
        )
        fitted = [*network.weight.detach().numpy()[0].tolist(), float(network.bias.detach().numpy()[0])]
    weights = np.array(fitted, dtype=np.float64)
    figures = {
        "dropped_rows": table.dropped,
        "split_by": "artist" if by_artist else "row",
        "weights": dict(zip((*FEATURES, "intercept"), np.round(weights, 4).tolist(), strict=True)),
        "training": _errors(features[~held], wanted[~held], weights, wanted[~held].mean()),
        "validation": _errors(features[held], wanted[held], weights, wanted[~held].mean()),
    }
    return weights, figures


def _errors(
    features: Features, wanted: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], constant: float
) -> dict[str, Any]:
    """Errors of the regression and of always saying ``constant``; R² is the share of the latter's that is gone."""
    off = features @ weights[:-1] + weights[-1] - wanted
    off_constant = constant - wanted
    mse, constant_mse = float(np.mean(off**2)), float(np.mean(off_constant**2))
    return {
        "rows": len(wanted),
        "mse": round(mse, 6),
        "mae": round(float(np.mean(np.abs(off))), 6),
        "constant_mse": round(constant_mse, 6),
        "constant_mae": round(float(np.mean(np.abs(off_constant))), 6),
        "r2": round(1.0 - mse / constant_mse, 4) if constant_mse > 0 else None,
    }


def _rate_overviews(movies: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Positivity of each film's overview, (n,) float64; NaN without one or without a word that VADER rates."""
    return rate_positivity(cell if isinstance(cell, str) else "" for cell in movies["overview"])


def _rate_files(material: Material, medium: Medium, table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Positivity of each item's text in the user's files, (n,) float64; NaN where it has none."""
    positivity = np.full(len(table), np.nan)
    setting = _FILES[medium]
    if setting in material.files:
        found = find_texts(material.files[setting], medium, table)
        positivity[list(found.rows)] = rate_positivity(found.texts())
    return positivity


def _describe(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    """How many are unknown, where the rest lie, and how many share the ends, where the nearest is a toss-up."""
    known = values[np.isfinite(values)]
    quartiles = np.percentile(known, [25, 50, 75]).tolist() if len(known) else []
    return {
        "items": len(values),
        "unknown": len(values) - len(known),
        "quartiles": [round(value, 4) for value in quartiles],
        "at_0": int((known == 0).sum()),
        "at_1": int((known == 1).sum()),
    }
