"""Songs listed more than once, merged into one row each."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pandas as pd

from indexer.catalogue.chunk import ROW
from indexer.catalogue.records import SEPARATOR, TRACK_COLUMNS
from indexer.catalogue.report import RuleCount

# Only the accents of alphabets: the marks of Japanese, Hindi or Thai carry the meaning.
_ACCENTS = re.compile("[\u0300-\u036f]")


def merge_genre_rows(tracks: pd.DataFrame, count: RuleCount) -> pd.DataFrame:
    """One row per id: the first one's values, its gaps filled from the later ones, genres and tags of all."""
    return _merge(tracks, tracks["id"], np.arange(len(tracks)), count)


def merge_same_recordings(tracks: pd.DataFrame, count: RuleCount) -> pd.DataFrame:
    """One row per title and artists (see ``name_key``); the other ids are kept in ``other_ids``.

    The most popular row stays in its place, else the most complete, else the first; its gaps are filled from
    the others in that order. "Song - Live" and "Song" differ in title, so they stay apart.
    """
    titles = tracks["title"].map(name_key)
    artists = tracks["artists"].map(lambda cell: SEPARATOR.join(sorted(map(name_key, cell.split(SEPARATOR)))))
    popularity = tracks["popularity"].fillna(-1.0).to_numpy(dtype=np.float64)
    known = tracks.notna().sum(axis=1).to_numpy(dtype=np.int64)
    rank = np.empty(len(tracks), dtype=np.int64)
    rank[np.lexsort((np.arange(len(tracks)), -known, -popularity))] = np.arange(len(tracks))
    return _merge(tracks, titles + "\n" + artists, rank, count)


def name_key(name: str) -> str:
    """A name without case, accents and odd white space: what two spellings of the same name share."""
    folded = " ".join(name.casefold().split())
    if folded.isascii():
        return folded
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", folded))
    return " ".join(unicodedata.normalize("NFC", bare).casefold().split())


def _merge(tracks: pd.DataFrame, keys: pd.Series[str], rank: np.ndarray, count: RuleCount) -> pd.DataFrame:
    """Merge rows of equal key into the one of lowest ``rank``, which keeps its place."""
    repeated = keys.duplicated(keep=False).to_numpy(dtype=bool)
    if not repeated.any():
        return tracks
    group = tracks[repeated].iloc[np.argsort(rank[repeated], kind="stable")]
    codes = pd.Series(pd.factorize(keys.loc[group.index])[0], index=group.index)
    main = ~codes.duplicated()
    main_at = codes.index[main.to_numpy(dtype=bool)]
    main_id = pd.Series(group.loc[main_at, "id"].to_numpy(), index=codes[main_at].to_numpy())

    merged = tracks.copy()
    for name, kind in TRACK_COLUMNS.items():
        if kind != "many":
            # first() skips unknown values: a gap is filled from the next row that knows.
            merged.loc[main_at, name] = group.groupby(codes)[name].first().reindex(codes[main_at]).to_numpy()
    for name in ("artists", "genres", "tags", "other_ids"):
        cells = group[name] if name != "other_ids" else group["other_ids"].str.cat(group["id"], sep=SEPARATOR)
        joined = cells.groupby(codes).agg(_join).reindex(codes[main_at])
        merged.loc[main_at, name] = joined.to_numpy()
    merged.loc[main_at, "other_ids"] = [
        SEPARATOR.join(part for part in cell.split(SEPARATOR) if part != kept)
        for cell, kept in zip(merged.loc[main_at, "other_ids"], merged.loc[main_at, "id"], strict=True)
    ]

    lost = group[~main].sort_values(ROW)
    count.add_rows(lost, [f"merged into {main_id[code]}" for code in codes[lost.index]])
    return merged.drop(index=lost.index).reset_index(drop=True)


def _join(cells: pd.Series[str]) -> str:
    parts = (part for cell in cells for part in cell.split(SEPARATOR))
    return SEPARATOR.join(dict.fromkeys(part for part in parts if part))
