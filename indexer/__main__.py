"""The command line: ``python -m indexer build · evaluate · check · publish · rollback · list · prune``."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

from indexer import index_version as versions
from indexer import methods
from indexer.commands import AddCommand, explore, feedback, fetch, listen, playlist, train_mel
from indexer.commands.option_values import positive
from indexer.config import DEFAULT_ENCODER, IMAGENET, TARGET_RECALL, BuildConfig
from indexer.errors import SegueError, VersionError, VersionNotFound
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS

#: Files that teach or fit something, by setting, and what each is for.
LEARNING_FILES = {
    "weak_soundtracks": "less sure pairs, to learn from with less trust: columns tmdb_id, track_id",
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

#: Under which name ``--data`` looks for the file of a setting.
DATA_FILES = {
    "movies": "movies_19k.csv",
    "tracks": "tracks_82k.csv",
    "soundtracks": "soundtracks.csv",
    "weak_soundtracks": "soundtracks_weak.csv",
    "song_emotions": "song_emotion_deezer.csv",
    "emotion_words": "song_emotion_tags.csv",
    "movie_tags": "movie_tags_movielens.csv",
    "song_positivity": "spotiflix_song_positivity_4k.csv",
    "clip_features": "fma_echonest_13k.csv",
    "soundtrack_features": "spotiflix_soundtracks.csv",
}

_SERVED_REPORT = Path("-")
_FORCE = "publish even a version that finds known pairs clearly worse than the served one"

#: Subcommands with a module of their own, as listed by ``--help``.
_MORE_COMMANDS: tuple[Callable[[AddCommand], None], ...] = (
    explore.add_to,
    feedback.add_to,
    fetch.add_to,
    listen.add_to,
    playlist.add_to,
    train_mel.add_to,
)

#: What shells report for a command that an interrupt ended.
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 refused with one line on stderr, 130 interrupted."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    served = _name_served(options.indexes)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        run(options)
    except SegueError as error:
        print(f"segue: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"segue: {_explain(error, options.indexes)}; {_compare(served, options.indexes)}", file=sys.stderr
        )
        return 1
    except MemoryError as error:
        print(f"segue: there is not enough memory for this: {error or 'none is left'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nsegue: interrupted; {_compare(served, options.indexes)}", file=sys.stderr)
        return _INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _explain(error: OSError, indexes: Path) -> str:
    """Say in one line what the system refused, and where."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        # Copying a folder goes on after a failure and gives all of them; the first tells enough.
        _source, target, reason = error.args[0][0]
        return f"cannot copy to {target}: {str(reason).partition('] ')[2].partition(':')[0] or reason}"
    if error.strerror is None:
        # Libraries that write by themselves say how much of it they wrote, or in their own words why not.
        return f"cannot write all of a file in {indexes}: {error}"
    return f"{error.strerror}: {error.filename or f'while at work in {indexes}'}"


def _name_served(indexes: Path) -> str | None:
    """What is served, empty if nothing is; None where that cannot be told."""
    try:
        return versions.current_name(indexes)
    except VersionNotFound:
        return ""
    except (VersionError, OSError):
        return None


def _compare(before: str | None, indexes: Path) -> str:
    now = _name_served(indexes)
    if now is None:
        return "what is served cannot be told"
    if not now:
        return "nothing is served yet"
    return f"{now} is still served" if now == before else f"{now} is served now"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m indexer", description="Build and look after Segue's indexes."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None], about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.add_argument(
            "--indexes", type=Path, default=Path("indexes"), help="folder of index versions (indexes)"
        )
        sub.set_defaults(run=run)
        return sub

    build = command("build", _build, "Build an index version from source files and publish it.")
    build.add_argument("--movies", type=Path, help="films in the TMDb v11 layout: .csv, .csv.gz or .parquet")
    build.add_argument("--tracks", type=Path, help="songs in the Spotify Tracks layout")
    build.add_argument("--soundtracks", type=Path, help="known pairs: columns tmdb_id, track_id")
    build.add_argument(
        "--starter", action="store_true", help="build from the starter catalogue instead of files"
    )
    build.add_argument("--preset", default="default", help="cleaning rules: default or music2movie")
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
    build.add_argument("--force", action="store_true", help=_FORCE)
    build.add_argument("--report", type=Path, help="write the cleaning report here, as JSON")
    _add_evaluate(
        command("evaluate", _evaluate, "Measure a version's methods on known pairs, whole galleries.")
    )
    check = command("check", _check, "Verify a version: every file's SHA-256, counts and dimensions.")
    check.add_argument("version", nargs="?", help="its name (default: the served one)")
    publish = command("publish", _publish, "Serve a version that is already built.")
    publish.add_argument("version", help="its name")
    publish.add_argument("--force", action="store_true", help=_FORCE)
    command("rollback", _rollback, "Serve the version that was served before.")
    command("list", _list, "List the versions; * marks the served one.")
    prune = command("prune", _prune, "Delete old versions; the served one always stays.")
    prune.add_argument("--keep", type=_count, default=3, help="how many of the newest to keep (3)")
    for add_to in _MORE_COMMANDS:
        add_to(command)
    return parser


def _add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument("--version", help="the version's name (default: the served one)")
    judged_by = evaluate.add_mutually_exclusive_group(required=True)
    judged_by.add_argument("--pairs", type=Path, help="known pairs, a CSV file: columns tmdb_id, track_id")
    judged_by.add_argument(
        "--feedback",
        metavar="FILE_OR_URL",
        help="instead of pairs, what people said of results: an exported CSV file, a .sqlite file or a database's URL",
    )
    evaluate.add_argument(
        "--method",
        nargs="+",
        action="extend",
        metavar="NAME",
        help=f"segue, {', '.join(methods.names())}, or all (segue)",
    )
    evaluate.add_argument("--json", type=Path, help="write all figures here")
    evaluate.add_argument(
        "--html",
        type=Path,
        nargs="?",
        const=_SERVED_REPORT,
        help="write a page with tables and plots here; without a name, where the server shows it at /report",
    )
    evaluate.add_argument("--seed", type=_count, default=0, help="seed of draws and random queries (0)")
    evaluate.add_argument(
        "--queries", type=positive, default=1000, help="random queries for hubs and variety (1000)"
    )
    evaluate.add_argument(
        "--bootstrap", type=positive, default=1000, help="draws behind each interval (1000)"
    )
    evaluate.add_argument(
        "--keep-trained",
        action="store_true",
        help="keep pairs whose film or artist the version was trained on; flatters what learns",
    )
    evaluate.add_argument("--movie-tags", type=Path, help="people's tags as queries: columns tmdb_id, tag")
    evaluate.add_argument(
        "--emotion-words", type=Path, help="emotion words as queries: columns track_id, emotion_tags (a|b)"
    )
    evaluate.add_argument(
        "--song-emotions",
        type=Path,
        help="labels of mood: columns track_id, valence, arousal; lines whose split is train are left out",
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return number


def _build(options: argparse.Namespace) -> None:
    # pandas and the rest of the indexer's libraries load only for a build.
    from indexer.build import build

    values: dict[str, Any] = {k: v for k, v in vars(options).items() if k not in {"run", "starter", "data"}}
    if options.data is not None:
        values |= _find_data(options.data, values)
    if options.starter:
        values |= {"movies": MOVIES, "tracks": TRACKS, "soundtracks": SOUNDTRACKS}
    elif values["movies"] is None or values["tracks"] is None:
        raise SegueError(
            "build needs --movies FILE and --tracks FILE, or --starter for the starter catalogue"
        )
    with _Bars() as bars:
        name = build(BuildConfig.from_dict(values), bars)
    manifest = versions.verify(options.indexes / name)
    counts, work = manifest["counts"], manifest["build"]
    state = "published" if options.publish else "built, not published"
    print(
        f"{name} {state}: {counts['movies']:,} films, {counts['tracks']:,} songs; "
        f"{work['rows_encoded']:,} rows encoded, {work['rows_reused']:,} reused, "
        f"{sum(work['seconds'].values()):.1f} s"
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _find_data(folder: Path, given: dict[str, Any]) -> dict[str, Path]:
    """The files of a data folder that were not named otherwise; says which were found and which were not."""
    if not folder.is_dir():
        raise SegueError(
            f"{folder} is not a folder; --data takes one that holds some of {', '.join(DATA_FILES.values())}"
        )
    wanted = {name: folder / file for name, file in DATA_FILES.items() if given.get(name) is None}
    found = {name: path for name, path in wanted.items() if path.is_file()}
    lacking = [path.name for name, path in wanted.items() if name not in found]
    print(f"from {folder}: {', '.join(path.name for path in found.values()) or 'nothing'}")
    if lacking:
        print(f"not there, so done without: {', '.join(lacking)}")
    return found


class _Bars:
    """One progress bar a stage, with rate and time left, on stderr."""

    def __enter__(self) -> _Bars:
        self._bar: Any = None
        self._stage = ""
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            from tqdm import tqdm

            self.__exit__()
            self._stage = stage
            self._bar = tqdm(total=total, desc=stage, unit="row", mininterval=0.5)
        self._bar.update(done - self._bar.n)


def _evaluate(options: argparse.Namespace) -> None:
    # Loaded only here, like the build: the other commands need none of it.
    from indexer.evaluate import Settings
    from indexer.evaluation_run import EvaluationFiles, run_evaluation

    if options.feedback is not None:
        _evaluate_feedback(options)
        return
    name = options.version or versions.current_name(options.indexes)
    if options.html == _SERVED_REPORT:
        options.html = versions.report_file(options.indexes, name)
        options.html.parent.mkdir(exist_ok=True)
    for path in (options.json, options.html):
        if path is not None and not path.parent.is_dir():
            raise SegueError(f"there is no folder {path.parent} to write {path.name} to")
    files = EvaluationFiles(options.pairs, options.movie_tags, options.emotion_words, options.song_emotions)
    settings = Settings(seed=options.seed, draws=options.bootstrap, random_queries=options.queries)
    version = versions.open_version(options.indexes, options.version)
    try:
        run = run_evaluation(version, files, options.method or ["segue"], settings, options.keep_trained)
    finally:
        version.close()
    print(run.to_text(), end="")
    run.write(options.json, options.html)


def _evaluate_feedback(options: argparse.Namespace) -> None:
    if options.html is not None:
        raise SegueError("there is no page of feedback; --html goes with --pairs")
    if options.json is not None and not options.json.parent.is_dir():
        raise SegueError(f"there is no folder {options.json.parent} to write {options.json.name} to")
    feedback.report_feedback(options.feedback, options.json)


def _check(options: argparse.Namespace) -> None:
    version = versions.open_version(options.indexes, options.version)
    version.close()
    counts = version.manifest["counts"]
    size = sum(facts["size_bytes"] for facts in version.manifest["files"].values())
    print(
        f"{version.name} is whole: {counts['movies']:,} films, {counts['tracks']:,} songs, {size / 1e6:.0f} MB"
    )


def _publish(options: argparse.Namespace) -> None:
    with versions.lock(options.indexes):
        versions.publish(options.indexes, options.version, options.force)
    print(f"{options.version} is served")


def _rollback(options: argparse.Namespace) -> None:
    with versions.lock(options.indexes):
        print(f"{versions.rollback(options.indexes)} is served")


def _list(options: argparse.Namespace) -> None:
    try:
        served = versions.current_name(options.indexes)
    except VersionNotFound:
        served = ""
    for name in versions.list_names(options.indexes):
        print(f"{'*' if name == served else ' '} {name}")


def _prune(options: argparse.Namespace) -> None:
    with versions.lock(options.indexes):
        for name in versions.prune(options.indexes, options.keep):
            print(f"deleted {name}")


if __name__ == "__main__":
    sys.exit(main())
