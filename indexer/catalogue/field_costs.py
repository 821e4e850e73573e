"""What a catalogue does without where its file has no column for a field."""

from __future__ import annotations

from collections.abc import Mapping

from indexer.catalogue.layout import Source
from indexer.catalogue.records import AUDIO_FEATURES

_MOOD = "songs' texts and moods know less of how a song sounds"
_EMOTIONS = "songs' emotions, where labels of them are given, are estimated from less"

#: Source → field that may be missing → what that costs.
COSTS: Mapping[Source, Mapping[str, str]] = {
    "movies": {
        "original_title": "films are not found by their original titles",
        "year": "no filter by year, and the age of films does not count",
        "keywords": "themes are not learned: films are compared by sentence and mood alone",
        "tagline": "moods are read of the overview alone",
        "language": "no filter by language",
        "countries": "nothing: no search reads them",
        "runtime_min": "no filter by length",
        "rating": "no filter by rating",
        "votes": "no filter by votes, and every rating counts as unknown, since nothing says that anybody gave it",
        "popularity": "no filter by popularity, and no dial from well known to little known",
        "revenue": "nothing but the method music2movie reads it",
        "budget": "nothing: no search reads it",
        "imdb_id": "posters and texts that are named by IMDb id are not found",
        "poster_path": "the page shows no poster",
        "status": "films that are not released yet are kept",
        "adult": "films for adults only are kept",
    },
    "tracks": {
        "album": "albums are neither shown nor compared by name",
        "genres": "no filter by genre, and songs' texts say less",
        "tags": "songs' texts and moods say less",
        "year": "no filter by year where the decade is missing as well",
        "decade": "nothing where there is a year",
        "popularity": "no filter by popularity, and no dial from well known to little known",
        "duration_ms": f"no lengths are shown, and {_EMOTIONS}",
        "explicit": "no filter for explicit songs",
        "key": "nothing: no search reads it",
        "mode": _EMOTIONS,
        "time_signature": "nothing: no search reads it",
        **dict.fromkeys(AUDIO_FEATURES, _MOOD),
        "energy": f"no filter by energy, and {_MOOD}",
        "valence": f"no filter by valence, and {_MOOD}",
        "tempo": f"no filter by tempo, and {_MOOD}",
    },
}
