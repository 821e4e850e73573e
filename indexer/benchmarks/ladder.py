"""The ladder of the shared space: what each block adds on known pairs kept aside, one step at a time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from indexer import index_folder
from indexer import index_version as versions
from indexer.catalogue.catalogue import Catalogue, read_catalogue
from indexer.catalogue.records import Medium
from indexer.config import BuildConfig
from indexer.encoding import EncodedTexts
from indexer.features.text_encoder import TextEncoder
from indexer.item_features import ItemFeatures, describe_items
from indexer.normalisation import centre_known
from indexer.space import MEDIA
from indexer.space_fit import fit_space

_WEIGHTS = ("themes", "mood", "emotion", "learned", "names", "hub")
#: (step, weights that are on); text is always on, and every block stands at the weight of the settings.
_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("sentences alone", ()),
    ("film text learned from keywords and tags", ()),
    ("+ themes", ("themes",)),
    ("+ mood", ("themes", "mood")),
    ("+ emotion", ("themes", "mood", "emotion")),
    ("+ names", ("themes", "mood", "emotion", "names")),
    ("+ learned alignment", ("themes", "mood", "emotion", "names", "learned")),
    ("+ hub correction (as built)", _WEIGHTS),
    ("as built, without themes", ("mood", "emotion", "names", "learned", "hub")),
    ("as built, without mood", ("themes", "emotion", "names", "learned", "hub")),
    ("as built, without emotion", ("themes", "mood", "names", "learned", "hub")),
    ("as built, without names", ("themes", "mood", "emotion", "learned", "hub")),
    ("as built, without the alignment", ("themes", "mood", "emotion", "names", "hub")),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument(
        "--indexes", type=Path, required=True, help="a folder whose served version holds the texts"
    )
    for name in ("movies", "tracks", "soundtracks"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("weak-soundtracks", "song-emotions", "emotion-words", "movie-tags"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the split (0)")


def run(options: argparse.Namespace) -> None:
    """Climb the ladder over one catalogue and print a line a step; the texts come from a built version."""
    chosen = {k: v for k, v in vars(options).items() if k not in {"seeds", "benchmark"} and v is not None}
    config = BuildConfig.from_dict(chosen)
    catalogue = read_catalogue(config.movies, config.tracks, config.soundtracks, config.preset)
    folder = config.indexes / index_folder.current_name(config.indexes)
    texts = EncodedTexts(
        TextEncoder.open(folder / versions.ENCODER), folder / versions.ENCODER, folder, lambda *_: None
    )
    items = describe_items(catalogue, config, texts.encode)
    _tell(
        f"{len(catalogue.movies):,} films, {len(catalogue.tracks):,} songs, {len(catalogue.soundtracks)} pairs; "
        "figures in % [95 % interval]; hub: largest share of lists; distinct: items per slot of 1,000 lists of 10"
    )
    for seed in options.seeds:
        _tell(f"seed {seed}")
        for number, (step, on) in enumerate(_STEPS):
            used = _plain(items) if number == 0 else items
            _tell(f"  {step:42s} {_climb(catalogue, replace(config, seed=seed), used, on)}")


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _climb(catalogue: Catalogue, config: BuildConfig, items: ItemFeatures, on: tuple[str, ...]) -> str:
    off: dict[str, Any] = {f"{name}_weight": 0.0 for name in _WEIGHTS if name not in on}
    card = fit_space(catalogue, replace(config, **off), items).card
    if card is None:
        return "too few pairs"
    return " | ".join(
        _say(name, card[way]) for name, way in (("song→film", "song_to_film"), ("film→song", "film_to_song"))
    )


def _say(name: str, figures: Mapping[str, Any]) -> str:
    parts = []
    for key, short, scale in (
        ("recall_10", "R@10", 100),
        ("recall_100", "R@100", 100),
        ("median_percentile", "pct", 1),
    ):
        figure = figures[key]
        parts.append(
            f"{short} {scale * figure['value']:.1f} [{scale * figure['low']:.1f}, {scale * figure['high']:.1f}]"
        )
    parts.append(f"hub {100 * figures['largest_hub']:.1f} distinct {figures['distinct_per_slot']:.3f}")
    return f"{name} {' '.join(parts)}"


def _plain(items: ItemFeatures) -> ItemFeatures:
    """The same items with plain centred sentences for the films' text."""
    blocks: dict[Medium, dict[str, Any]] = {medium: dict(items.blocks[medium]) for medium in MEDIA}
    blocks["movies"]["text"] = centre_known(items.sentences["movies"])
    blocks["movies"]["themes"] = np.zeros_like(blocks["movies"]["themes"])
    return replace(items, blocks=blocks)
