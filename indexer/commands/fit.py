"""``python -m indexer fit``: the parameters that are carried with the knowledge, fitted to it again."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from indexer.commands import AddCommand
from indexer.commands.progress_bars import Bars
from indexer.config import DEFAULT_ENCODER


def add_to(command: AddCommand) -> None:
    """Add ``fit``."""
    fit = command(
        "fit", _run, "Fit the parameters carried in indexer/knowledge to the knowledge written there."
    )
    fit.add_argument("--movies", type=Path, required=True, help="films that the knowledge is about")
    fit.add_argument("--tracks", type=Path, required=True, help="songs that the knowledge is about")
    fit.add_argument("--encoder", default=DEFAULT_ENCODER, help="the text encoder: a folder or a name")
    fit.add_argument("--out", type=Path, help="folder to write to (indexer/knowledge/parameters)")
    fit.add_argument("--seed", type=int, default=0, help="seed of every random choice (0)")


def _run(options: argparse.Namespace) -> None:
    # pandas and the rest of the indexer's libraries load only here.
    from indexer.catalogue.catalogue import read_catalogue
    from indexer.encoding import EncodedTexts
    from indexer.features.encoder_export import export_encoder
    from indexer.features.text_encoder import TextEncoder
    from indexer.knowledge_fit import fit_readers
    from indexer.parameters import write_parameters
    from indexer.readers import CARRIED

    target: Path = options.out or CARRIED
    catalogue = read_catalogue(options.movies, options.tracks)
    with tempfile.TemporaryDirectory() as scratch, Bars() as bars:
        folder = Path(scratch) / "encoder"
        export_encoder(options.encoder, folder)
        texts = EncodedTexts(TextEncoder.open(folder), folder, None, bars)
        fit = fit_readers(
            catalogue.movies, catalogue.tracks, lambda some: texts.encode(some, "texts"), options.seed
        )
        # Beside the old ones first, so that there is always a whole set.
        fresh = Path(tempfile.mkdtemp(dir=target.parent)) / "fresh"
        write_parameters(fresh, fit.readers)
    if target.exists():
        shutil.rmtree(target)
    fresh.rename(target)
    fresh.parent.rmdir()
    sys.stdout.write(json.dumps(fit.figures, indent=1) + "\n")
