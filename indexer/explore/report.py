"""The whole exploration: facts of a catalogue, their figures, and the page, written into one folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from indexer.catalogue import Catalogue, read_catalogue
from indexer.errors import MissingMaterial
from indexer.explore.catalogue_facts import medium_facts
from indexer.explore.link_facts import link_facts
from indexer.explore.page import make_page
from indexer.explore.soundtrack_facts import soundtrack_facts
from indexer.explore.statistics import Plain, missing, round_figures
from indexer.index_version import IndexVersion, hash_file
from indexer.space import MEDIA

PAGE, FACTS = "index.html", "facts.json"
_NO_VERSION = (
    "no index version was given; name a folder of versions with --indexes (and one of them with --version)"
)


@dataclass(frozen=True)
class Sources:
    """The files to explore."""

    movies: Path
    tracks: Path
    soundtracks: Path | None = None


def gather_facts(
    catalogue: Catalogue, version: IndexVersion | None, draws: int = 1000, seed: int = 0
) -> Plain:
    """All facts, ready for JSON: the same input gives the same facts. ``version``: for the blocks of its space."""
    facts: Plain = {
        "settings": {"draws": draws, "seed": seed},
        "cleaning": catalogue.report.to_dict(),
        "soundtracks": soundtrack_facts(catalogue, draws, seed),
        "links": missing(_NO_VERSION)
        if version is None
        else link_facts(version, catalogue.soundtracks, draws, seed),
    }
    for medium in MEDIA:
        table = catalogue.movies if medium == "movies" else catalogue.tracks
        facts[medium] = medium_facts(medium, table, catalogue.report.files[medium], draws, seed)
    rounded: Plain = round_figures(facts)
    return rounded


def write_report(
    sources: Sources, folder: Path, version: IndexVersion | None = None, draws: int = 1000, seed: int = 0
) -> Plain:
    """Write ``index.html``, ``facts.json`` and the figures into ``folder``; returns the facts.

    Raises ``MissingMaterial`` without the libraries that draw, ``InputError`` for files that cannot be used.
    """
    try:
        from indexer.explore import figures
    except ImportError as error:
        raise MissingMaterial(
            f"a report needs matplotlib and wordcloud ({error}); install them with: pip install -r requirements.txt"
        ) from error
    catalogue = read_catalogue(sources.movies, sources.tracks, sources.soundtracks)
    facts = gather_facts(catalogue, version, draws, seed)
    if version is not None:
        built_from = {each["what"]: each["sha256"] for each in version.manifest["sources"]}
        facts["links"]["same_files"] = all(
            built_from.get(what) == hash_file(path)
            for what, path in (("movies", sources.movies), ("tracks", sources.tracks))
        )
    folder.mkdir(parents=True, exist_ok=True)
    drawings = figures.draw_all(facts, catalogue.tracks, folder)
    text = json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False)
    (folder / FACTS).write_text(text + "\n", encoding="utf-8")
    (folder / PAGE).write_text(make_page(facts, drawings), encoding="utf-8")
    return facts
