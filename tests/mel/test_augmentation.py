"""Augmentation: shifts and masks, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.mel.augmentation import augment


def test_a_changed_clip_is_a_shifted_one_with_bands_and_stretches_of_zeros() -> None:
    random = np.random.default_rng(1)
    original = random.normal(5, 1, (2, 64, 820)).astype(np.float32)
    before = original.copy()
    shifts = set()
    for seed in range(40):
        changed = augment(original, np.random.default_rng(seed))
        masked = changed == 0
        bands, stretches = masked.all(axis=(0, 2)), masked.all(axis=(0, 1))
        np.testing.assert_array_equal(masked, np.broadcast_to(bands[:, None] | stretches, masked.shape))
        assert bands.sum() <= 2 * 6
        assert stretches.sum() <= 2 * 82
        row = int(np.flatnonzero(~bands)[0])
        kept = ~stretches
        (shift,) = [
            by
            for by in range(-328, 329)
            if np.array_equal(np.roll(original[0, row], by)[kept], changed[0, row, kept])
        ]
        np.testing.assert_array_equal(np.roll(original, shift, axis=2)[~masked], changed[~masked])
        shifts.add(shift)
    assert len(shifts) > 30
    assert min(shifts) < -164
    assert max(shifts) > 164
    np.testing.assert_array_equal(original, before)


@pytest.mark.parametrize("seed", [0, 7])
def test_changes_follow_the_seed(seed: int) -> None:
    original = np.random.default_rng(2).normal(size=(2, 64, 820)).astype(np.float32)
    again = [augment(original, np.random.default_rng(seed)) for _ in range(2)]
    np.testing.assert_array_equal(again[0], again[1])
    assert not np.array_equal(again[0], augment(original, np.random.default_rng(seed + 1)))
