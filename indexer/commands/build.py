"""``python -m indexer build``: an index version from source files."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from indexer import index_version as versions
from indexer import methods
from indexer.commands import AddCommand
from indexer.commands.data_folder import DATA_FILES
from indexer.commands.progress_bars import Bars
from indexer.config import DEFAULT_ENCODER, IMAGENET, TARGET_RECALL, BuildConfig
from indexer.errors import SegueError

#: Files that teach or fit something, by setting, and what each is for.
LEARNING_FILES = {
    "song_emotions": "valence and arousal of songs, standardised: columns track_id, valence, arousal",
    "emotion_words": "emotion words of songs: columns track_id, valence, arousal (0 to 1), emotion_tags",
    "movie_tags": "people's tags of films, to learn what words mean: columns tmdb_id, tag",
    "song_positivity": "positivity of lyrics and audio features, for spotiflix-sentiment",
    "clip_features": "audio features of music clips, for spotiflix-clusters",
    "soundtrack_features": "audio features of films' soundtracks, for spotiflix-clusters",
    "ratings": "people's ratings of films in the MovieLens layout, for collaborative",
    "word_vectors": "word vectors in GloVe's text format, for crosstune",
    "posters": "folder of film posters, each named by its film's IMDb or TMDb id",
    "covers": "folder of album covers, each named by its song's id, for lyrics-cover",
    "lyrics": "songs' lyrics: a folder of texts by song id, or a table, for lyrics-cover",
    "film_texts": "films' scripts, subtitles or plots: a folder of texts by IMDb or TMDb id, or a table",
    "audio_clips": "folder of songs' audio files, each named by its song's id, for spotiflix-mel",
    "mel_model": "folder of weights made by train-mel, for spotiflix-mel",
}

#: What ``--force`` of build and of publish is for.
FORCE = "publish even a version that finds known pairs clearly worse than the served one"


def add_to(command: AddCommand) -> None:
    """Add ``build``."""
    build = command("build", _run, "Build an index version from source files and publish it.")
    build.add_argument("--movies", type=Path, help="films in the TMDb v11 layout: .csv, .csv.gz or .parquet")
    build.add_argument("--tracks", type=Path, help="songs in the Spotify Tracks layout")
    build.add_argument("--soundtracks", type=Path, help="known pairs: columns tmdb_id, track_id")
    build.add_argument(
        "--map",
        "--map-movies",
        dest="map_movies",
        action="append",
        default=[],
        metavar="FIELD=COLUMN,…",
        help="columns of --movies that have names of their own, as in title=name,overview=plot",
    )
    build.add_argument(
        "--map-tracks",
        action="append",
        default=[],
        metavar="FIELD=COLUMN,…",
        help="columns of --tracks that have names of their own, as in artists=band",
    )
    build.add_argument(
        "--dry-run", action="store_true", help="say what would be read and dropped, and write nothing"
    )
    build.add_argument(
        "--starter", action="store_true", help="take films and songs not named from the starter catalogue"
    )
    build.add_argument(
        "--preset",
        default="default",
        help="public: the data sets that fetch put into --data (data), cleaned by the default rules; else the "
        "rules of cleaning: default or music2movie",
    )
    build.add_argument(
        "--encoder", default=DEFAULT_ENCODER, help="sentence-transformers model: a folder or a name"
    )
    build.add_argument(
        "--lyrics-model", help="text model of the BERT family for lyrics: a folder or a name (the encoder)"
    )
    build.add_argument("--index-kind", default="auto", help="auto, exact, codes, ivf, rabitq or hnsw")
    build.add_argument(
        "--target-recall",
        type=float,
        default=TARGET_RECALL,
        help="recall@10 against the exact answer that an index is tuned to (default: %(default)s)",
    )
    build.add_argument(
        "--index-memory-mib", type=int, help="memory that each medium's index may keep (default: no limit)"
    )
    build.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="encode texts with Ray: on this machine, or on the cluster at HOST:PORT, ray://HOST:PORT or auto",
    )
    for name, about in LEARNING_FILES.items():
        build.add_argument(_flag(name), type=Path, help=about)
    build.add_argument(
        "--poster-model",
        default=IMAGENET,
        help="MobileNetV2 for posters: imagenet for Keras' own weights, a file of weights, or a .tflite file",
    )
    build.add_argument(
        "--poster-tflite", type=Path, help="a .tflite file to use where Keras' own weights cannot be reached"
    )
    build.add_argument(
        "--poster-size-px", type=int, default=224, help="width and height at which posters are read (224)"
    )
    build.add_argument(
        "--cover-model",
        default=IMAGENET,
        help="ResNet-50 for covers: imagenet for Keras' own weights, or a file of weights",
    )
    build.add_argument(
        "--data",
        type=Path,
        help=f"take what is not named otherwise from this folder: {', '.join(DATA_FILES.values())}",
    )
    build.add_argument(
        "--methods",
        nargs="+",
        default=[],
        metavar="METHOD",
        help="other methods to fit for comparison, or all: " + ", ".join(methods.names()),
    )
    for weight in fields(BuildConfig):
        if weight.name.endswith("_weight"):
            about = f"weight of {weight.name.removesuffix('_weight')} in the score ({weight.default})"
            build.add_argument(_flag(weight.name), type=float, default=weight.default, help=about)
    build.add_argument("--seed", type=int, default=0, help="seed of every random choice (0)")
    build.add_argument(
        "--no-publish", dest="publish", action="store_false", help="leave the served version alone"
    )
    build.add_argument("--force", action="store_true", help=FORCE)
    build.add_argument("--report", type=Path, help="write the cleaning report here, as JSON")


def _run(options: argparse.Namespace) -> None:
    # pandas and the rest of the indexer's libraries load only for a build.
    from indexer.build import build
    from indexer.commands.build_sources import choose_sources
    from indexer.commands.dry_run import tell_dry_run

    values = choose_sources(options)
    if options.dry_run:
        tell_dry_run(values)
        return
    if values["movies"] is None or values["tracks"] is None:
        raise SegueError(
            "build needs --movies FILE and --tracks FILE, --preset public for what was fetched, or --starter for "
            "the starter catalogue"
        )
    with Bars() as bars:
        name = build(BuildConfig.from_dict(values), bars)
    manifest = versions.verify(options.indexes / name)
    counts, work = manifest["counts"], manifest["build"]
    state = "published" if options.publish else "built, not published"
    sys.stdout.write(
        f"{name} {state}: {counts['movies']:,} films, {counts['tracks']:,} songs; "
        f"{work['rows_encoded']:,} rows encoded, {work['rows_reused']:,} reused, "
        f"{sum(work['seconds'].values()):.1f} s\n"
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
