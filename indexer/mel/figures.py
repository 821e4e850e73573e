"""How wrong predictions are, label by label, beside a predictor that always says the training mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.mel.network import FEATURES

Floats = npt.NDArray[np.float32]

#: Over all seven labels together.
ALL = "all"


def measure_errors(predicted: Floats, truth: Floats, constant: Floats) -> dict[str, dict[str, float]]:
    """Errors by label and over ``all``, of predictions (n, 7) and of the constant predictor (7,).

    ``mae`` and ``rmse`` with ``constant_mae`` and ``constant_rmse``; ``variance_explained`` is 1 − squared error /
    squared deviation from the mean of ``truth`` itself, which is a stricter yardstick than the training mean; 0
    where there is nothing to explain.
    """
    wrong = np.asarray(predicted - truth, dtype=np.float64)
    idle = np.asarray(constant - truth, dtype=np.float64)
    deviation = np.asarray(truth - truth.mean(axis=0), dtype=np.float64)
    parts: list[tuple[str, Any]] = [(name, at) for at, name in enumerate(FEATURES)]
    return {
        name: _summarise(wrong[:, at], idle[:, at], deviation[:, at])
        for name, at in [*parts, (ALL, slice(None))]
    }


def format_errors(errors: Mapping[str, Mapping[str, float]]) -> str:
    """The same as a table in text, one label a line."""
    lines = [f"{'':<18}{'RMSE':>8}{'constant':>10}{'MAE':>8}{'constant':>10}{'explained':>11}"]
    lines += [
        f"{name:<18}{each['rmse']:>8.3f}{each['constant_rmse']:>10.3f}{each['mae']:>8.3f}"
        f"{each['constant_mae']:>10.3f}{each['variance_explained']:>10.1%}"
        for name, each in errors.items()
    ]
    return "\n".join(lines)


def _summarise(wrong: Any, idle: Any, deviation: Any) -> dict[str, float]:
    spread = float(np.mean(deviation**2))
    explained = 1 - float(np.mean(wrong**2)) / spread if spread > 0 else 0.0
    return {
        "rmse": round(float(np.sqrt(np.mean(wrong**2))), 5),
        "constant_rmse": round(float(np.sqrt(np.mean(idle**2))), 5),
        "mae": round(float(np.mean(np.abs(wrong))), 5),
        "constant_mae": round(float(np.mean(np.abs(idle))), 5),
        "variance_explained": round(explained, 5),
    }
