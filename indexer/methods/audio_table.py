"""The seven audio features that SpotiFlix works on: reading them, models fitted on them, keeping what was fitted."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from indexer.errors import MissingColumn, MissingMaterial, UnreadableFile
from indexer.methods.arrays import read_array, read_plain

if TYPE_CHECKING:
    import pandas as pd

    from indexer.methods.method import Material

Features = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

#: Spotify's names, each from 0 to 1, in the order of every feature matrix here.
FEATURES = (
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "liveness",
    "speechiness",
    "valence",
)

_FITTED = "fitted.json"

_CLUSTERS = 500
_SILHOUETTE_ROWS = 5_000
_LAYERS = (512, 256, 128)
#: What the report gives beside its layers is not known; these keep the fit well under a minute on one core.
_EPOCHS, _BATCH_ROWS, _LEARNING_RATE, _MOST_TRAINING_ROWS = 30, 128, 0.001, 20_000
_VALIDATION_SHARE = 0.15


@dataclass(frozen=True)
class AudioTable:
    """Rows of a file whose numbers are all there. ``cells``: its columns as text but for the numbers, float64."""

    path: Path
    cells: pd.DataFrame
    dropped: int

    @property
    def features(self) -> Features:
        """The seven features, (n, 7) float64 in [0, 1]."""
        return self.cells[list(FEATURES)].to_numpy(dtype=np.float64)


def read_audio_table(
    material: Material, setting: str, numbers: Sequence[str] = (), names: Sequence[str] = ()
) -> AudioTable:
    """Read the CSV file given as ``setting``: the seven features, more ``numbers`` in [0, 1], text in ``names``.

    A row with a number that is missing, not a number or outside [0, 1], or with an empty name, is dropped and
    counted. Raises ``MissingMaterial`` (not given), ``UnreadableFile`` or ``MissingColumn``.
    """
    import pandas as pd

    path = material.files.get(setting)
    if path is None:
        raise MissingMaterial(f"{setting}: this method is fitted on a file that was not given; set {setting}")
    try:
        # Text as it stands: a film may be called "None" or "NA".
        cells = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UnreadableFile(f"{path}: cannot be read as a CSV table ({error})") from error
    wanted = [*names, *FEATURES, *numbers]
    missing = ", ".join(name for name in wanted if name not in cells.columns)
    if missing:
        raise MissingColumn(f"{path}: no column {missing}; {setting} needs {', '.join(wanted)}")
    kept = np.ones(len(cells), dtype=bool)
    for name in (*FEATURES, *numbers):
        cells[name] = pd.to_numeric(cells[name], errors="coerce").astype("float64")
        kept &= cells[name].between(0.0, 1.0).to_numpy()
    for name in names:
        kept &= (cells[name].str.strip() != "").to_numpy()
    return AudioTable(path, cells[kept].reset_index(drop=True), int((~kept).sum()))


def track_features(tracks: pd.DataFrame) -> tuple[Features, npt.NDArray[np.bool_]]:
    """The catalogue's songs: (n, 7) float64 with NaN for unknown, and (n,) whether all seven are known."""
    features = tracks[list(FEATURES)].to_numpy(dtype=np.float64)
    return features, np.isfinite(features).all(axis=1)


def hold_out(groups: npt.NDArray[np.int64], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Mark about ``share`` of the rows for validation, whole groups (n,) at a time; at least one group, never all."""
    rng = np.random.default_rng(seed)
    _, group_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    taken = int(np.searchsorted(np.cumsum(sizes[order]), share * len(groups)))
    held = np.zeros(len(sizes), dtype=bool)
    held[order[: min(taken + 1, len(sizes) - 1)]] = True
    return np.asarray(held[group_of_row], dtype=np.bool_)


@contextmanager
def repeatable_torch(seed: int) -> Iterator[None]:
    """Torch with this seed, one thread and deterministic kernels; the process's own settings come back after."""
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        try:
            torch.set_num_threads(1)
            torch.use_deterministic_algorithms(True)
            torch.manual_seed(seed)
            yield
        finally:
            torch.use_deterministic_algorithms(strict)
            torch.set_num_threads(threads)


def train(
    network: Any, loss: Any, inputs: Any, targets: Any, *, epochs: int, batch_rows: int, learning_rate: float
) -> None:
    """Fit a torch network in place with Adam on shuffled batches. To be called within ``repeatable_torch``."""
    import torch

    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        for start in range(0, len(order), batch_rows):
            batch = order[start : start + batch_rows]
            optimiser.zero_grad()
            loss(network(inputs[batch]), targets[batch]).backward()
            optimiser.step()


def measure_distances(rows: Features, centroids: Features) -> Features:
    """Euclidean distances, (rows, centroids) float64, a few rows at a time; exactly 0 to itself."""
    distances = np.empty((len(rows), len(centroids)))
    for start in range(0, len(rows), 1024):
        part = slice(start, start + 1024)
        distances[part] = np.sqrt(
            sum((rows[part, f, None] - centroids[:, f]) ** 2 for f in range(len(FEATURES)))
        )
    return distances


def cluster_songs(features: Features, seed: int) -> tuple[Labels, Features, dict[str, Any]]:
    """K-means: a label for each row, the centroids (k, 7), and how tight the clusters are."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    # Half as many clusters as songs at most, and no more than there are different songs.
    wanted = max(min(_CLUSTERS, len(features) // 2, len(np.unique(features, axis=0))), 1)
    with threadpool_limits(limits=1):
        fitted = KMeans(wanted, n_init=1, random_state=seed).fit(features)
        labels, centroids = (
            fitted.labels_.astype(np.int64),
            np.asarray(fitted.cluster_centers_, dtype=np.float64),
        )
        sample = min(len(features), _SILHOUETTE_ROWS)
        silhouette = None
        if 2 <= wanted < sample:
            silhouette = float(silhouette_score(features, labels, sample_size=sample, random_state=seed))
    spread = np.linalg.norm(features - centroids[labels], axis=1).mean()
    unclustered = np.linalg.norm(features - features.mean(axis=0), axis=1).mean()
    figures = {
        "rows": len(features),
        "clusters": wanted,
        "silhouette": None if silhouette is None else round(silhouette, 4),
        "silhouette_rows": sample,
        "spread": round(float(spread), 4),
        "spread_as_one_cluster": round(float(unclustered), 4),
    }
    return labels, centroids, figures


def classify_songs(
    songs: Features, labels: Labels, heard: Features, seed: int
) -> tuple[Labels, dict[str, Any]]:
    """Learn the songs' clusters with the report's network; the catalogue's songs' clusters (heard,)."""
    import torch

    rng = np.random.default_rng(seed)
    used = np.sort(rng.permutation(len(songs))[:_MOST_TRAINING_ROWS])
    songs, labels = songs[used], labels[used]
    held = hold_out(np.arange(len(songs)), _VALIDATION_SHARE, seed)
    mean, scale = songs[~held].mean(axis=0), songs[~held].std(axis=0)
    scale[scale < 1e-3] = 1.0  # what hardly varies would otherwise be blown up to mean everything
    sizes = (len(FEATURES), *_LAYERS)
    with repeatable_torch(seed):
        layers: list[Any] = []
        for wide, narrow in pairwise(sizes):
            layers += [torch.nn.Linear(wide, narrow), torch.nn.ReLU()]
        network = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], int(labels.max()) + 1))

        def tensor(rows: Features) -> Any:
            return torch.tensor((rows - mean) / scale, dtype=torch.float32)

        train(
            network,
            torch.nn.CrossEntropyLoss(),
            tensor(songs[~held]),
            torch.tensor(labels[~held]),
            epochs=_EPOCHS,
            batch_rows=_BATCH_ROWS,
            learning_rate=_LEARNING_RATE,
        )

        def predict(rows: Features) -> Labels:
            with torch.no_grad():
                parts = [network(part).argmax(dim=1).numpy() for part in tensor(rows).split(4096)]
            return np.concatenate(parts).astype(np.int64)

        accuracy = {
            "training_accuracy": round(float(np.mean(predict(songs[~held]) == labels[~held])), 4),
            "validation_accuracy": round(float(np.mean(predict(songs[held]) == labels[held])), 4),
        }
        predicted = predict(heard)
    rows = {"training_rows": int((~held).sum()), "validation_rows": int(held.sum()), "epochs": _EPOCHS}
    return predicted, {**rows, **accuracy}


def write_fitted(folder: Path, arrays: Mapping[str, npt.NDArray[Any]], plain: Mapping[str, Any]) -> None:
    """Write a new folder: one .npy a name, and the plain values as .json."""
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    text = json.dumps(plain, indent=2, sort_keys=True, allow_nan=False)
    (folder / _FITTED).write_text(text + "\n", encoding="utf-8")


def read_fitted(
    folder: Path, kinds: Mapping[str, tuple[Any, int]]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read what ``write_fitted`` wrote; ``kinds``: name → (dtype, dimensions). Raises ``VersionDamaged``."""
    plain = read_plain(folder / _FITTED)
    arrays = {
        name: read_array(folder / f"{name}.npy", dtype, dimensions)
        for name, (dtype, dimensions) in kinds.items()
    }
    return arrays, plain
