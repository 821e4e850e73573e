"""The command line: ``python -m indexer build · evaluate · check · publish · rollback · list · prune``."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from indexer import index_folder, methods
from indexer import index_version as versions
from indexer.commands import (
    AddCommand,
    build,
    explore,
    feedback,
    fetch,
    fit,
    judging,
    listen,
    playlist,
    serving,
    train_mel,
)
from indexer.commands.option_values import not_negative, positive
from indexer.errors import ConfigError, SegueError, VersionError, VersionNotFound

_SERVED_REPORT = Path("-")

#: Subcommands with a module of their own, as listed by ``--help``.
_MORE_COMMANDS: tuple[Callable[[AddCommand], None], ...] = (
    explore.add_to,
    feedback.add_to,
    fetch.add_to,
    fit.add_to,
    listen.add_to,
    playlist.add_to,
    serving.add_to,
    train_mel.add_to,
)

#: What shells report for a command that an interrupt ended.
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 refused with one line on stderr, 130 interrupted."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    served = _name_served(options)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        run(options)
    except SegueError as error:
        print(f"segue: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"segue: {_explain(error, options.indexes)}; {_compare(served, options)}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"segue: there is not enough memory for this: {error or 'none is left'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nsegue: interrupted; {_compare(served, options)}", file=sys.stderr)
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


def _name_served(options: argparse.Namespace) -> str | None:
    """What is served from the folder, empty if nothing is; None where that cannot be told, or is not what counts."""
    try:
        return None if serving.serves_from_milvus(options) else index_folder.current_name(options.indexes)
    except VersionNotFound:
        return ""
    except (VersionError, ConfigError, OSError):
        return None


def _compare(before: str | None, options: argparse.Namespace) -> str:
    now = _name_served(options)
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

    build.add_to(command)
    _add_evaluate(
        command("evaluate", _evaluate, "Measure a version's methods on known pairs, whole galleries.")
    )
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
    judged_by.add_argument(
        "--judgements",
        type=Path,
        metavar="FILE",
        help="instead of pairs, grades of answers: columns query, target, item, grade (0 to 3), word_only",
    )
    judging.add_options(evaluate)
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
    evaluate.add_argument("--seed", type=not_negative, default=0, help="seed of draws and random queries (0)")
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


def _evaluate(options: argparse.Namespace) -> None:
    # Loaded only here, like the build: the other commands need none of it.
    from indexer.evaluation_inputs import EvaluationFiles
    from indexer.evaluation_results import Settings
    from indexer.evaluation_run import run_evaluation

    if options.feedback is not None:
        _evaluate_feedback(options)
        return
    if options.judgements is not None:
        judging.evaluate_judgements(options)
        return
    name = options.version or index_folder.current_name(options.indexes)
    if options.html == _SERVED_REPORT:
        options.html = index_folder.report_file(options.indexes, name)
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


if __name__ == "__main__":
    sys.exit(main())
