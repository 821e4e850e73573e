"""``train-mel``: train SpotiFlix's mel CNN on a folder of audio with known features."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.commands import AddCommand
from indexer.errors import ConfigError, MissingLibrary

if TYPE_CHECKING:
    from indexer.mel.training import Epoch

_ABOUT = "Train the mel CNN of spotiflix-mel on a folder of audio files and a table of their features."


def add_to(command: AddCommand) -> None:
    """Add ``train-mel`` to the command line."""
    parser = command("train-mel", run, _ABOUT)
    parser.add_argument(
        "--audio", type=Path, required=True, help="folder of audio files, such as 000/000002.mp3"
    )
    parser.add_argument(
        "--features",
        type=Path,
        required=True,
        help="CSV of the seven features by folder and fileName, or by track_id; an artist column keeps an artist's "
        "clips on one side of the split",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and their manifest")
    parser.add_argument("--overwrite", action="store_true", help="replace weights that lie in that folder")
    parser.add_argument("--epochs", type=int, default=40, help="passes over the clips at most (%(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="clips a step (%(default)s)")
    parser.add_argument("--learning-rate", type=float, default=0.005, help="the cycle's peak (%(default)s)")
    parser.add_argument(
        "--patience", type=int, default=10, help="epochs without a better validation error (%(default)s)"
    )
    parser.add_argument(
        "--validation", type=float, default=0.15, help="share of the clips to validate with (%(default)s)"
    )
    parser.add_argument("--limit", type=int, help="train on this many clips of the table, drawn by the seed")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of split, weights and augmentation (%(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Read the clips, train, and print each label's error beside the constant predictor's."""
    _check(options)
    try:
        # TensorFlow and librosa load for this command alone.
        from indexer.mel.clip_folder import list_clips, read_clips, split_groups, take_clips
        from indexer.mel.decoding import decode_clip
        from indexer.mel.figures import format_errors
        from indexer.mel.training import Plan, train
    except ImportError as error:
        raise MissingLibrary(f"training needs the libraries of requirements.txt ({error})") from error
    from tqdm import tqdm

    listing = list_clips(options.audio, options.features)
    if options.limit is not None:
        listing = take_clips(listing, options.limit, options.seed)
    _say(f"{len(listing.paths):,} clips; left out: {_list(listing.dropped)}")
    _say(f"split by {'artist' if listing.by_artist else 'file (the table names no artist)'}")
    held = split_groups(listing.groups, options.validation, options.seed)
    with tempfile.TemporaryDirectory(dir=_parent(options.out), prefix=".spectrograms-") as scratch:
        with tqdm(total=len(listing.paths), desc="decode", unit="clip", mininterval=0.5) as bar:
            clips, rows, failed = read_clips(
                listing, Path(scratch) / "spectrograms.npy", decode_clip, on_progress=lambda *_: bar.update()
            )
        if failed:
            name, why = next(iter(failed.items()))
            _say(f"{len(failed):,} files cannot be read, such as {name}: {why}")
        held = held[rows]
        facts: dict[str, Any] = {
            "data": {
                "features": options.features.name,
                "clips": len(rows),
                "split_by": "artist" if listing.by_artist else "file",
                "dropped": {**listing.dropped, "cannot be read": len(failed)},
            }
        }
        plan = Plan(
            epochs=options.epochs,
            batch_clips=options.batch,
            learning_rate=options.learning_rate,
            patience=options.patience,
            seed=options.seed,
        )
        with tqdm(desc="train", unit="batch", mininterval=0.5) as bar:

            def count(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            def tell(epoch: Epoch) -> None:
                best = ", the best so far" if epoch.best else ""
                bar.write(
                    f"epoch {epoch.number}: loss {epoch.loss:.4f}, validation RMSE {epoch.validation_rmse:.4f}{best}",
                    file=sys.stderr,
                )

            trained = train(clips.part(~held), clips.part(held), options.out, plan, facts, count, tell)
    if trained.stopped_early:
        _say(f"stopped early, after {len(trained.epochs)} of {plan.epochs} epochs")
    weights = trained.network.manifest["weights"]
    _report(f"{int((~held).sum()):,} clips trained on; errors on the {int(held.sum()):,} kept aside:")
    _report(format_errors(trained.validation))
    _report(f"{options.out / weights['file']}: SHA-256 {weights['sha256']}")


def _check(options: argparse.Namespace) -> None:
    """Refuse what makes no sense before any work is done; raises ``ConfigError``."""
    for name in ("epochs", "batch", "patience", "limit"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name} must be at least 1, not {value}")
    if not 0 < options.validation < 1:
        raise ConfigError(f"--validation must be between 0 and 1, not {options.validation}")
    if not 0 < options.learning_rate <= 1:
        raise ConfigError(f"--learning-rate must be above 0 and at most 1, not {options.learning_rate}")
    if (options.out / "manifest.json").exists() and not options.overwrite:
        raise ConfigError(f"{options.out} holds weights; --overwrite replaces them")


def _parent(out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    return out


def _list(dropped: dict[str, int] | Any) -> str:
    return ", ".join(f"{count:,} ({why})" for why, count in dropped.items() if count) or "none"


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _report(lines: str) -> None:
    sys.stdout.write(f"{lines}\n")
