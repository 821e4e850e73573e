"""What a film's text means to people who search: a learned text block and a block of themes.

Text block (d columns): the film's sentence, plus what a linear map makes of its overview, title, keywords and
genres. The map is trained so that a film's own keyword, left out of its input, and people's public tags find
the film among others (InfoNCE; van den Oord et al., 2018): keywords stand in for queries nobody has recorded.
Each row is divided by the deviation of its scores over all keywords, so that no film is near everything.

Theme block (r columns): how near a film's nearest keyword is to each of the commonest keywords, a table that is
compressed to r columns. A mean of many keywords blurs them; this one keeps the sharpest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.errors import InputError, VersionDamaged
from indexer.features.scaling import Centre, Spread
from indexer.normalisation import unit

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Encode = Callable[[Sequence[str]], Floats]

#: Below these there is too little to learn from, and a film's text is its plain sentence.
FEWEST_KEYWORDS, FEWEST_FILMS = 200, 500
#: It says what a person means to do, not what the film is, so it would teach the map nothing but noise.
LEFT_OUT_TAGS = frozenset({"in netflix queue"})

_TEMPERATURE, _EPOCHS, _BATCH, _STEP = 0.15, 3, 1024, 1e-3
#: A bound on an epoch's batches, so that a million films take minutes.
_MOST_BATCHES = 1000
_ALL_KEYWORDS_HIDDEN = 0.3
_TITLE_START, _KEYWORDS_SHARE, _GENRES_SHARE, _SENTENCE_SHARE = 0.2, 0.5, 0.3, 0.5
_ANCHORS, _THEMES, _SHARPNESS, _ASK_SHARPNESS, _THEME_RIDGE = 1000, 128, 0.1, 0.05, 3.0
#: A text whose nearest theme has this cosine or less asks for none; from the second on it fully does.
_ASKS_NOTHING, _ASKS_ONE = 0.2, 0.7
_CHUNK_ROWS = 4096
#: A column of the theme table that varies less than this says nothing.
_LEAST_DEVIATION = 1e-5


@dataclass(frozen=True)
class FilmParts:
    """What is known of n films: embeddings (n, d) float32, a row of zeros where unknown, and names per film."""

    sentence: Floats
    overview: Floats
    title: Floats
    keywords: Sequence[Sequence[str]]
    genres: Sequence[Sequence[str]]


@dataclass(frozen=True)
class FilmTextQuery:
    """The part that a server needs: from a text's embedding to what ``FilmText``'s blocks are multiplied with.

    ``centre`` (d,) is the mean keyword; ``anchors`` (a, d) unit rows; ``themes`` (a, r). Where nothing was
    ``learned``, ``reason`` says why, ``centre`` is zeros and a = 0.
    """

    centre: Floats
    anchors: Floats
    themes: Floats
    learned: bool = True
    reason: str = ""

    def ask_text(self, embedding: Floats) -> Floats:
        """Text block (d,) of a text's embedding (d,): unit length around the mean keyword; zeros stay zeros."""
        if not embedding.any():
            return np.zeros(len(self.centre), dtype=np.float32)
        row: Floats = unit((embedding.astype(np.float32) - self.centre)[None])[0]
        return row

    def ask_themes(self, embedding: Floats) -> Floats:
        """Theme block (r,) of a text's embedding (d,), shorter where no theme is near."""
        row: Floats = self.themes_of(self.ask_text(embedding)[None])[0]
        return row

    def themes_of(self, directions: Floats) -> Floats:
        """Theme blocks (n, r) of unit rows (n, d) that are centred already, such as songs around their mean."""
        asked = np.zeros((len(directions), self.themes.shape[1]), dtype=np.float32)
        for start in range(0, len(directions) if len(self.anchors) else 0, _CHUNK_ROWS):
            cosines = directions[start : start + _CHUNK_ROWS] @ self.anchors.T
            sure = (cosines.max(axis=1, keepdims=True) - _ASKS_NOTHING) / (_ASKS_ONE - _ASKS_NOTHING)
            weights = np.clip(sure, 0.0, 1.0) * _softmax(cosines / np.float32(_ASK_SHARPNESS))
            asked[start : start + _CHUNK_ROWS] = weights @ self.themes
        return asked

    def write(self, folder: Path) -> None:
        """Write ``film_text.json`` and arrays into a new folder; the same query side gives the same bytes."""
        folder.mkdir()
        told = json.dumps({"learned": self.learned, "reason": self.reason})
        (folder / "film_text.json").write_text(told + "\n", encoding="utf-8")
        for name in ("centre", "anchors", "themes"):
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> FilmTextQuery:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        try:
            told = json.loads((folder / "film_text.json").read_text(encoding="utf-8"))
            learned, reason = bool(told["learned"]), str(told["reason"])
            centre, anchors, themes = (
                np.load(folder / f"{name}.npy", allow_pickle=False)
                for name in ("centre", "anchors", "themes")
            )
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise VersionDamaged(f"{folder.name}: the film text cannot be read: {error}") from error
        fit_together = (
            (centre.ndim, themes.ndim) == (1, 2)
            and anchors.shape == (len(themes), len(centre))
            and learned == (len(anchors) > 0)
        )
        if not fit_together:
            raise VersionDamaged(f"{folder.name}: the film text's arrays do not fit together")
        if not all(a.dtype == np.float32 and np.isfinite(a).all() for a in (centre, anchors, themes)):
            raise VersionDamaged(
                f"{folder.name}: the film text holds something other than finite float32 numbers"
            )
        return cls(centre, anchors, themes, learned, reason)


@dataclass(frozen=True)
class Calm:
    """Divides rows by the deviation of their scores over all keywords, all of them then at deviation 1 together."""

    least: float
    whole: float

    @classmethod
    def fit(cls, rows: Floats, covariance: Floats) -> Calm:
        """Measure rows (n, d); ``covariance`` (d, d) is that of the keywords."""
        spread = _score_deviations(rows, covariance)
        known = rows.any(axis=1)
        # A film about which no keyword says anything must not grow without bound.
        least = max(0.1 * float(spread[known].mean()), 1e-6) if known.any() else 1.0
        return cls(least, float((rows / np.maximum(spread, np.float32(least))[:, None]).std()))

    def apply(self, rows: Floats, covariance: Floats) -> Floats:
        """Steadied rows (n, d)."""
        spread: Floats = np.maximum(_score_deviations(rows, covariance), np.float32(self.least))
        steady: Floats = rows / spread[:, None]
        return steady / np.float32(self.whole) if self.whole > 0 else steady


@dataclass(frozen=True)
class LearnedReader:
    """What was learned of films: makes both blocks of any film, of the catalogue or not.

    ``weights`` (3d + genres, d): overview, title, keywords and genres → text; ``covariance`` (d, d) of the keywords.
    ``keyworded`` evens out the theme table of films with keywords, ``from_text`` (d, a) guesses it for others, and
    ``evened`` evens out both.
    """

    overview: Centre
    title: Centre
    genres: tuple[str, ...]
    genre_mean: Floats
    weights: Floats
    covariance: Floats
    text_calm: Calm
    sentence_calm: Calm
    keyworded: Spread
    from_text: Floats
    evened: Spread


@dataclass(frozen=True)
class FilmReader:
    """Films' parts to the two blocks; where nothing was ``learned`` the text is the plain centred sentence."""

    sentence: Centre
    learned: LearnedReader | None

    def read(self, parts: FilmParts, query: FilmTextQuery, encode: Encode) -> tuple[Floats, Floats]:
        """Text blocks (n, d), unit rows, and theme blocks (n, r); ``encode`` gives unit rows of the keywords."""
        if self.learned is None:
            themes = np.zeros((len(parts.keywords), query.themes.shape[1]), dtype=np.float32)
            return self.sentence.apply(parts.sentence), themes
        keywords, names = _distinct(parts.keywords)
        number = {name: place for place, name in enumerate(names)}
        held = [np.array([number[word] for word in words], dtype=np.int64) for words in keywords]
        raw = _encoded(encode, names, parts.sentence.shape[1]) if names else parts.sentence[:0]
        bank = unit(raw - query.centre)
        text = self._read_text(self.learned, parts, held, bank)
        return text, _read_themes(self.learned, held, bank, query, text)

    def _read_text(
        self, learned: LearnedReader, parts: FilmParts, held: Sequence[Rows], bank: Floats
    ) -> Floats:
        known = np.hstack(
            [
                learned.overview.apply(parts.overview),
                learned.title.apply(parts.title),
                _mix_keywords(held, bank),
                _genre_table(parts.genres, learned.genres, learned.genre_mean),
            ]
        )
        mapped = learned.text_calm.apply(unit(known @ learned.weights), learned.covariance)
        plain = learned.sentence_calm.apply(self.sentence.apply(parts.sentence), learned.covariance)
        return unit(mapped + np.float32(_SENTENCE_SHARE) * plain)


@dataclass(frozen=True)
class FilmText:
    """Films' ``text_block`` (n, d) unit rows, ``theme_block`` (n, r), float32, zeros unknown, and the query side.

    A film's score is the inner product of its block and the query's. Scores of the theme block spread about
    eight times as far as those of the text block, which a weight beside it has to allow for. ``reader`` makes the
    same blocks of films that were not there.
    """

    text_block: Floats
    theme_block: Floats
    query: FilmTextQuery
    reader: FilmReader


def fit(parts: FilmParts, encode: Encode, seed: int, tags: Sequence[tuple[int, str]] = ()) -> FilmText:
    """Learn both blocks; the same parts and seed give the same bytes. About 10 s for 19,000 films on one core.

    ``encode`` gives unit rows (m, d) of distinct keywords and tags; ``tags`` are (film row, tag) pairs from
    people, ``LEFT_OUT_TAGS`` aside. A catalogue with fewer than ``FEWEST_KEYWORDS`` keywords or
    ``FEWEST_FILMS`` films that have any is not learned from: its text block is the centred sentence, its theme
    block zeros. Raises ``InputError`` where the parts or tags do not fit together.
    """
    d = parts.sentence.shape[1]
    _check(parts, tags)
    sentence = Centre.fit(parts.sentence)
    keywords, names = _distinct(parts.keywords)
    films = sum(1 for words in keywords if words)
    if len(names) < FEWEST_KEYWORDS or films < FEWEST_FILMS:
        reason = (
            f"{films} films with {len(names)} distinct keywords are too few to learn from "
            f"({FEWEST_FILMS} films and {FEWEST_KEYWORDS} keywords are needed)"
        )
        nothing = [np.zeros(shape, dtype=np.float32) for shape in ((d,), (0, d), (0, _THEMES))]
        plain = FilmTextQuery(nothing[0], nothing[1], nothing[2], learned=False, reason=reason)
        reader = FilmReader(sentence, None)
        return FilmText(*reader.read(parts, plain, encode), plain, reader)
    number = {name: place for place, name in enumerate(names)}
    held = [np.array([number[word] for word in words], dtype=np.int64) for words in keywords]
    raw = _encoded(encode, names, d)
    centre = raw.mean(axis=0)
    bank = unit(raw - centre)
    kept = [(row, tag) for row, tag in tags if tag.strip().casefold() not in LEFT_OUT_TAGS]
    tag_names = sorted({tag for _, tag in kept})
    tag_number = {name: place for place, name in enumerate(tag_names)}
    tag_bank = unit(_encoded(encode, tag_names, d) - centre) if kept else np.zeros((0, d), dtype=np.float32)
    pairs = np.array([(row, tag_number[tag]) for row, tag in kept], dtype=np.int64).reshape(-1, 2)
    covariance = np.cov(bank.T).astype(np.float32)
    genres = tuple(sorted({name for some in parts.genres for name in some}))
    flags = _genre_table(parts.genres, genres, np.zeros(len(genres), dtype=np.float32))
    said = flags.any(axis=1)
    genre_mean = flags[said].mean(axis=0) if said.any() else np.zeros(len(genres), dtype=np.float32)
    genre_mean /= np.float32(_GENRES_SHARE)
    overview, title = Centre.fit(parts.overview), Centre.fit(parts.title)
    known = np.hstack(
        [
            overview.apply(parts.overview),
            title.apply(parts.title),
            _mix_keywords(held, bank),
            _genre_table(parts.genres, genres, genre_mean),
        ]
    )
    weights = _learn(known, held, bank, tag_bank, pairs, np.random.default_rng(seed))
    mapped, plain_text = unit(known @ weights), sentence.apply(parts.sentence)
    calm, plain_calm = Calm.fit(mapped, covariance), Calm.fit(plain_text, covariance)
    steady = calm.apply(mapped, covariance)
    block = unit(steady + np.float32(_SENTENCE_SHARE) * plain_calm.apply(plain_text, covariance))
    counts = np.bincount(np.concatenate(held), minlength=len(names))
    anchors = bank[np.argsort(-counts, kind="stable")[:_ANCHORS]]
    table, keyworded, from_text, evened = _fit_themes(held, bank, anchors, block)
    _, vectors = np.linalg.eigh((table.T @ table).astype(np.float64))
    themes = np.ascontiguousarray(vectors[:, ::-1][:, :_THEMES], dtype=np.float32)
    learned = LearnedReader(
        overview,
        title,
        genres,
        genre_mean,
        weights,
        covariance,
        calm,
        plain_calm,
        keyworded,
        from_text,
        evened,
    )
    query = FilmTextQuery(centre, anchors, themes)
    return FilmText(block, table @ themes, query, FilmReader(sentence, learned))


def _distinct(keywords: Sequence[Sequence[str]]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Each film's keywords once, and all of them, sorted."""
    own = [tuple(dict.fromkeys(word for word in words if word)) for words in keywords]
    return own, sorted({word for words in own for word in words})


def _mix_keywords(held: Sequence[Rows], bank: Floats) -> Floats:
    """Keywords of each film together (n, d): a sum over the root of the number, for more of them say more."""
    sums = np.stack([bank[words].sum(axis=0) for words in held])
    sizes = np.array([len(words) for words in held])
    mixed: Floats = (
        np.float32(_KEYWORDS_SHARE) * sums / np.sqrt(np.maximum(sizes, 1)).astype(np.float32)[:, None]
    )
    return mixed


def _learn(
    known: Floats,
    held: Sequence[Rows],
    bank: Floats,
    tag_bank: Floats,
    pairs: Rows,
    rng: np.random.Generator,
) -> Floats:
    """The linear map (3d + genres, d) of the films' parts by which keywords and tags find their films."""
    d = bank.shape[1]
    sums = np.stack([bank[words].sum(axis=0) for words in held])
    sizes = np.array([len(words) for words in held])
    share = np.float32(_KEYWORDS_SHARE)
    eye = np.eye(d, dtype=np.float32)
    no_genre = np.zeros((known.shape[1] - 3 * d, d), dtype=np.float32)
    start = np.vstack([eye, np.float32(_TITLE_START) * eye, share * eye, no_genre])
    weights, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    own = np.stack([np.repeat(np.arange(len(held)), sizes), np.concatenate(held)], axis=1)
    size = min(_BATCH, len(own))
    # Few tags are not drawn over and over, or they would outweigh the keywords.
    drawn_tags = min(_BATCH // 4, len(pairs))
    step = 0
    for epoch in range(_EPOCHS):
        order = rng.permutation(len(own))
        for batch in range(min(len(own) // size, _MOST_BATCHES)):
            step += 1
            rows, asked = own[order[batch * size : (batch + 1) * size]].T
            x, q = known[rows], bank[asked]
            # The keyword that asks must not find itself; at times the film has to be found by its prose alone.
            others = np.sqrt(np.maximum(sizes[rows] - 1, 1)).astype(np.float32)[:, None]
            rest = share * (sums[rows] - q) / others
            rest[(sizes[rows] <= 1) | (rng.random(len(rows)) < _ALL_KEYWORDS_HIDDEN)] = 0.0
            x[:, 2 * d : 3 * d] = rest
            if drawn_tags:
                tagged, tag = pairs[rng.integers(0, len(pairs), drawn_tags)].T
                x, q = np.vstack([x, known[tagged]]), np.vstack([q, tag_bank[tag]])
                rows, asked = np.concatenate([rows, tagged]), np.concatenate([asked, -1 - tag])
            total = _gradient(x, q, weights, rows, asked) + np.float32(1e-4) * (weights - start)
            # Adam (Kingma & Ba, 2015), its step falling from epoch to epoch.
            first += np.float32(0.1) * (total - first)
            second += np.float32(0.001) * (total * total - second)
            rate = _STEP * (1 - epoch / _EPOCHS) / (1 - 0.9**step)
            deviation = np.sqrt(second / np.float32(1 - 0.999**step)) + np.float32(1e-8)
            weights -= np.float32(rate) * first / deviation
    return weights


def _gradient(x: Floats, q: Floats, weights: Floats, rows: Rows, asked: Rows) -> Floats:
    """Slope of the loss, both ways, in the map: query i should find film i among the batch's others."""
    films = x @ weights
    lengths = np.linalg.norm(films, axis=1, keepdims=True) + np.float32(1e-6)
    films /= lengths
    scores: Floats = q @ films.T
    scores /= np.float32(_TEMPERATURE)
    same = (asked[:, None] == asked) | (rows[:, None] == rows)
    np.fill_diagonal(same, False)
    scores[same] = -1e9
    slope = np.float32(0.5) * (_softmax(scores) + _softmax(scores.T).T)
    slope[np.diag_indices(len(slope))] -= 1.0
    pull = (slope / np.float32(len(slope) * _TEMPERATURE)).T @ q
    gradient: Floats = x.T @ ((pull - (pull * films).sum(axis=1, keepdims=True) * films) / lengths)
    return gradient


def _keyword_table(held: Sequence[Rows], bank: Floats, anchors: Floats) -> Floats:
    """Nearness (n, a) of each film's keywords to each anchor, a soft maximum; zeros without keywords."""
    raised = np.exp(anchors @ bank.T / np.float32(_SHARPNESS))
    table = np.zeros((len(held), len(anchors)), dtype=np.float32)
    for row, words in enumerate(held):
        if len(words):
            table[row] = np.log(raised[:, words].sum(axis=1)) * np.float32(_SHARPNESS)
    return table


def _fit_themes(
    held: Sequence[Rows], bank: Floats, anchors: Floats, block: Floats
) -> tuple[Floats, Spread, Floats, Spread]:
    """The theme table (n, a), mean 0 and deviation 1 a column, and what makes it of any film's keywords or text."""
    table = _keyword_table(held, bank, anchors)
    has = np.array([len(words) > 0 for words in held])
    keyworded = Spread.fit(table[has], _LEAST_DEVIATION)
    table[has] = keyworded.apply(table[has])
    gram = block[has].T @ block[has] + _THEME_RIDGE * np.eye(block.shape[1], dtype=np.float32)
    # Films without keywords: what films of like text have.
    from_text = np.linalg.solve(gram, block[has].T @ table[has]).astype(np.float32)
    table[~has] = block[~has] @ from_text
    evened = Spread.fit(table, _LEAST_DEVIATION)
    table = evened.apply(table)
    table[~has & ~block.any(axis=1)] = 0.0
    return table, keyworded, from_text, evened


def _read_themes(
    learned: LearnedReader, held: Sequence[Rows], bank: Floats, query: FilmTextQuery, text: Floats
) -> Floats:
    table = _keyword_table(held, bank, query.anchors)
    has = np.array([len(words) > 0 for words in held])
    table[has] = learned.keyworded.apply(table[has])
    table[~has] = text[~has] @ learned.from_text
    table = learned.evened.apply(table)
    table[~has & ~text.any(axis=1)] = 0.0
    themes: Floats = table @ query.themes
    return themes


def _genre_table(genres: Sequence[Sequence[str]], names: Sequence[str], mean: Floats) -> Floats:
    """Genres (n, names) as flags around their mean, weighed; a film without any is zeros."""
    place = {name: column for column, name in enumerate(names)}
    table = np.zeros((len(genres), len(place)), dtype=np.float32)
    for row, some in enumerate(genres):
        table[row, [place[name] for name in some if name in place]] = 1.0
    table[table.any(axis=1)] -= mean
    return table * np.float32(_GENRES_SHARE)


def _score_deviations(rows: Floats, covariance: Floats) -> Floats:
    """Deviation (n,) of each row's scores over all keywords."""
    deviations: Floats = np.sqrt(np.maximum(np.einsum("ij,ij->i", rows @ covariance, rows), 0.0))
    return deviations


def _softmax(rows: Floats) -> Floats:
    raised = np.exp(rows - rows.max(axis=1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _encoded(encode: Encode, names: Sequence[str], d: int) -> Floats:
    rows = np.asarray(encode(names), dtype=np.float32)
    if rows.shape != (len(names), d):
        raise InputError(f"{len(names)} texts were encoded as {rows.shape}, not ({len(names)}, {d})")
    return rows


def _check(parts: FilmParts, tags: Sequence[tuple[int, str]]) -> None:
    shapes = {parts.sentence.shape, parts.overview.shape, parts.title.shape}
    lengths = {len(parts.sentence), len(parts.keywords), len(parts.genres)}
    if len(shapes) > 1 or len(lengths) > 1:
        raise InputError(f"the films' parts do not fit together: {sorted(shapes)}, {sorted(lengths)} films")
    for row, tag in tags:
        if not 0 <= row < len(parts.sentence):
            raise InputError(f"the tag “{tag}” is of film row {row}, outside the {len(parts.sentence)} films")
