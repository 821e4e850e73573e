"""``python -m indexer listen``: what sound files are like, as far as signal analysis can tell."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.commands import AddCommand
from indexer.errors import ConfigError, MissingLibrary, SoundRefused, UnreadableFile
from indexer.sound.confinement import Limits
from indexer.sound.containers import MOST_BYTES
from indexer.sound.listening import FEATURES, Heard, check_libraries, listen

if TYPE_CHECKING:
    from indexer.mel.estimator import MelEstimator

_ABOUT = (
    "Estimate the audio features of songs from their files (mp3, ogg, wav, flac; at most 15 MiB and 10 minutes). "
    "Searching by them is the server's part: POST /v1/audio takes the same file."
)
#: Nobody waits for a reply here, so a slow machine may take its time.
_LIMITS = Limits(start_s=300.0, wall_s=60.0, cpu_s=60)


def add_to(command: AddCommand) -> None:
    """Declare the command."""
    parser = command("listen", _run, _ABOUT)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="sound files")
    parser.add_argument(
        "--estimator",
        choices=("signal", "mel"),
        default="signal",
        help="what reads the seven features: signal analysis, or the network of --mel-model (%(default)s)",
    )
    parser.add_argument(
        "--mel-model",
        type=Path,
        metavar="DIR",
        help="folder of weights made by train-mel, for --estimator mel",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a file")


def _run(options: argparse.Namespace) -> None:
    if (options.estimator == "mel") != (options.mel_model is not None):
        raise ConfigError("--estimator mel and --mel-model DIR go together")
    check_libraries()
    network = None if options.mel_model is None else _open_network(options.mel_model)
    refused = []
    for file in options.files:
        try:
            heard = listen(_read(file), _LIMITS)
            if network is not None:
                # What the confined process could decode whole is decoded here again, its middle 20 seconds.
                heard = _read_features(heard, network.estimate_file(file))
        except SoundRefused as error:
            # The files after it may be fine.
            refused.append(f"{file}: {error}")
            continue
        if options.json:
            sys.stdout.write(json.dumps(spell_out(file, heard), ensure_ascii=False) + "\n")
        else:
            sys.stdout.write(_write_out(file, heard))
        sys.stdout.flush()
    if refused:
        raise SoundRefused("; ".join(refused))


def _open_network(folder: Path) -> MelEstimator:
    try:
        from indexer.mel.estimator import MelEstimator
    except ImportError as error:
        raise MissingLibrary(f"the mel network needs the libraries of requirements.txt ({error})") from error
    return MelEstimator.open(folder)


def _read_features(heard: Heard, features: Mapping[str, float]) -> Heard:
    """Put other features in place of those heard, in the same order."""
    return replace(heard, features={name: round(float(features[name]), 4) for name in FEATURES})


def spell_out(file: Path, heard: Heard) -> dict[str, Any]:
    """Give what was heard in the shape that the API has."""
    return {
        "file": str(file),
        "estimated": True,
        "features": heard.features,
        "tempo": heard.tempo_bpm,
        "loudness": heard.loudness_db,
        "duration_s": heard.duration_s,
        "format": heard.container,
    }


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise UnreadableFile(f"{file} is not a file")
    with file.open("rb") as stream:
        return stream.read(MOST_BYTES + 1)


def _write_out(file: Path, heard: Heard) -> str:
    tempo = "no recurring beat" if heard.tempo_bpm is None else f"{heard.tempo_bpm:.1f} beats a minute"
    lines = [f"{file} ({heard.container}, {heard.duration_s:.1f} s); all estimated:"]
    lines.append(f"  {tempo}, loudness {heard.loudness_db:.1f} LUFS")
    lines += [f"  {name:<17}{value:.2f}" for name, value in heard.features.items()]
    return "\n".join(lines) + "\n"
