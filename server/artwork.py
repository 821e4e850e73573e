"""Generated artwork: a poster for every film and a sleeve for every song, as SVG.

The same item always gets the same picture: colours come from its genres and mood, the composition from a hash of its
id, the lettering from its title. It stands where there is no poster, while one loads, and where one fails to.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from html import escape

from indexer.catalogue.records import Movie, Track

_Palette = tuple[str, str, str, str]

#: Genre → ground, middle, light, lettering. One of the first two genres of an item that are here decides.
_PALETTES: dict[str, _Palette] = {
    "action": ("#2a1410", "#a8321f", "#f2a541", "#fff3df"),
    "adventure": ("#12303a", "#2f7d7a", "#f0b65a", "#fff6e4"),
    "animation": ("#2b2060", "#e0567a", "#ffd166", "#fffaf0"),
    "comedy": ("#7a2e12", "#e2792d", "#ffd873", "#fffbef"),
    "crime": ("#14161b", "#51303a", "#c9a24b", "#f4ecdd"),
    "documentary": ("#22302c", "#5d7a68", "#d9cfa8", "#fbf8ec"),
    "drama": ("#1c2430", "#6c4a4a", "#d8a47a", "#faf1e6"),
    "family": ("#1d4a4f", "#e58a4e", "#ffe08a", "#fffaf0"),
    "fantasy": ("#1d1a40", "#6a4c93", "#c9b6e4", "#faf5ff"),
    "history": ("#2e2418", "#80603a", "#d8bf8a", "#fbf3e0"),
    "horror": ("#0b0c0e", "#4a0f14", "#b3262e", "#f3e9e4"),
    "music": ("#30123d", "#b03a7a", "#ffb85c", "#fff4e6"),
    "mystery": ("#10222b", "#2f4858", "#8fb3a5", "#eff6f1"),
    "romance": ("#4a1630", "#c2506a", "#f8c3a4", "#fff3ee"),
    "science fiction": ("#07131f", "#1d5c7c", "#6fd3d6", "#ecfbff"),
    "thriller": ("#0f1418", "#33434d", "#d96c3b", "#f6efe8"),
    "war": ("#23241b", "#5e5a3c", "#b89d5e", "#f4efdd"),
    "western": ("#3a1d10", "#b5592a", "#f1b863", "#fff2dc"),
    "ambient": ("#12262e", "#3f6f78", "#b9d8d0", "#f2fbf8"),
    "blues": ("#0f1d3a", "#2c4d8a", "#8fb4e0", "#f0f6ff"),
    "classical": ("#2b1e17", "#7a5540", "#e2c9a0", "#fcf4e6"),
    "country": ("#3a2412", "#a8692f", "#f0cf8e", "#fff6e4"),
    "dance": ("#1d0f3a", "#7b2cbf", "#ff7fb0", "#fff0f8"),
    "electronic": ("#0a1128", "#2541b2", "#4de1d2", "#effffd"),
    "folk": ("#24301c", "#6b7a3c", "#e0c879", "#fbf7e6"),
    "funk": ("#4a1d2b", "#d1495b", "#edae49", "#fff6e6"),
    "hip-hop": ("#16130f", "#6b4a16", "#e8b923", "#fff7e0"),
    "indie": ("#2a2f3a", "#b5656b", "#f0c9a0", "#fff7ee"),
    "jazz": ("#131a2e", "#7a3b2e", "#e0a458", "#fdf3e2"),
    "metal": ("#0b0b0d", "#38383f", "#a6a6ad", "#f4f4f6"),
    "pop": ("#3d1a4a", "#d6477e", "#ffc66b", "#fff6ee"),
    "punk": ("#1a0d0d", "#c1121f", "#f5f0e1", "#fffdf5"),
    "r-n-b": ("#2b1030", "#8a3a6a", "#e8a07a", "#fff2ea"),
    "reggae": ("#16321c", "#b3901f", "#d6492f", "#fff8e4"),
    "rock": ("#1b1512", "#8c2f1b", "#e9b872", "#fdf3e4"),
    "soul": ("#38190f", "#a44a2a", "#f2b880", "#fff4e8"),
}
_ALIKE = {
    "sci-fi": "science fiction",
    "film-noir": "crime",
    "hip hop": "hip-hop",
    "rap": "hip-hop",
    "r&b": "r-n-b",
    "edm": "dance",
    "house": "dance",
    "disco": "funk",
    "techno": "electronic",
    "synth": "electronic",
    "singer-songwriter": "folk",
    "acoustic": "folk",
    "alternative": "indie",
    "grunge": "rock",
    "piano": "classical",
    "opera": "classical",
    "soundtrack": "classical",
    "latin": "reggae",
    "musical": "music",
    "children": "family",
    "kids": "family",
}
#: Some genres have so many items that one palette would rule the page.
_VARIANTS: dict[str, tuple[_Palette, ...]] = {
    "drama": (
        _PALETTES["drama"],
        ("#2a1b2e", "#7d4a5e", "#e3b08f", "#fbf1ea"),
        ("#16282a", "#3f6660", "#cfc08e", "#f7f4e6"),
        ("#2b1a14", "#8a4b32", "#e6b877", "#fcf2e4"),
        ("#191d33", "#45508a", "#d3a9a4", "#f6f2fa"),
    ),
    "pop": (
        _PALETTES["pop"],
        ("#12324a", "#2f8fb0", "#ffd27a", "#f6fbff"),
        ("#47203a", "#e2725b", "#ffe3a8", "#fff8f0"),
        ("#1c3b36", "#3fa58a", "#f7e08a", "#f8fff6"),
        ("#2a1f52", "#7d5fd0", "#ff9fb2", "#faf6ff"),
    ),
    "rock": (
        _PALETTES["rock"],
        ("#14181c", "#46606e", "#e8d9b5", "#f8f5ec"),
        ("#26140f", "#c65b32", "#f6d9a0", "#fff6e8"),
    ),
    "comedy": (
        _PALETTES["comedy"],
        ("#0f4a4a", "#2fa39a", "#ffdf7e", "#fbfff6"),
        ("#5a1f3d", "#e0608a", "#ffd9a0", "#fff7f2"),
    ),
}
_WARM = ("#3a1c12", "#c0562f", "#f4bd6a", "#fff5e6")
_COLD = ("#111c2b", "#3a5a78", "#a9c3d6", "#f1f7fb")
_PLAIN = ("#22252b", "#66605a", "#cbb994", "#faf5ea")
_MOST_LINES, _LINE_LETTERS, _MOST_LETTERS = 4, 11, 34
#: How broad letters of a condensed face are, as a share of its size; the lettering is held to it in any face.
_BROAD, _USUAL, _SLIM = 0.62, 0.46, 0.24
_WIDTH, _MARGIN = 300, 22


def draw_poster(movie: Movie) -> str:
    """Draw a film's poster, 300 × 450."""
    chance = _Chance(f"movies {movie.id}")
    palette = _choose_palette(chance, movie.genres, None)
    shapes = (_horizon, _rings, _slats, _skyline, _waves, _moons)[chance.below(6)]
    year = str(movie.year) if movie.year is not None else ""
    below = " · ".join(part for part in (year, ", ".join(movie.genres[:2])) if part)
    return _frame(450, palette, shapes(chance, palette), movie.title, below)


def draw_sleeve(track: Track) -> str:
    """Draw a song's sleeve, 300 × 300; its lines swing with the song's energy where that is known."""
    chance = _Chance(f"tracks {track.id}")
    palette = _choose_palette(chance, (*track.genres, *track.tags), track.valence)
    energy = 0.5 if track.energy is None else track.energy
    kind = chance.below(3)
    if kind == 0:
        shapes = _grooves(chance, palette)
    elif kind == 1:
        shapes = _bars(chance, energy, palette)
    else:
        shapes = _swing(chance, energy, palette)
    return _frame(300, palette, shapes, track.title, ", ".join(track.artists[:2]))


class _Chance:
    """Numbers that look drawn by lot and are always the same for the same name."""

    def __init__(self, name: str) -> None:
        self._name = name.encode()
        self._bytes = iter(b"")
        self._turn = 0

    def below(self, limit: int) -> int:
        return int(self.between(0, limit - 1e-9))

    def between(self, low: float, high: float) -> float:
        value = next(self._bytes, None)
        if value is None:
            self._turn += 1
            self._bytes = iter(hashlib.sha256(b"%d %s" % (self._turn, self._name)).digest())
            value = next(self._bytes)
        return low + (high - low) * value / 255


def _choose_palette(chance: _Chance, labels: Sequence[str], valence: float | None) -> _Palette:
    known = list(dict.fromkeys(name for label in labels if (name := _known_name(label.casefold()))))[:2]
    # What stands beside "drama" says more of a film than that does.
    known = [name for name in known if name != "drama"] or known
    if known:
        name = known[chance.below(len(known))]
        variants = _VARIANTS.get(name, (_PALETTES[name],))
        return variants[chance.below(len(variants))]
    if valence is None:
        return _PLAIN
    return _WARM if valence >= 0.5 else _COLD


def _known_name(label: str) -> str | None:
    """The name among the palettes that a label has, is called by otherwise, or holds as a part."""
    if label in _PALETTES:
        return label
    if label in _ALIKE:
        return _ALIKE[label]
    alike = next((name for part, name in _ALIKE.items() if part in label), None)
    return alike or next((name for name in _PALETTES if name in label), None)


def _frame(height: int, palette: _Palette, shapes: Iterator[str], title: str, below: str) -> str:
    ground, _, _, letters = palette
    lines = _break(title)
    room = _WIDTH - 2 * _MARGIN
    size = min(76.0, 0.36 * height / len(lines), room / max(map(_breadth, lines)))
    top = height - 34 - size * (len(lines) - 1)
    text = "".join(
        f'<text x="{_MARGIN}" y="{top + number * size:.0f}" textLength="{size * _breadth(line):.0f}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}"><rect width="{_WIDTH}" height="{height}" fill="{ground}"/>{"".join(shapes)}'
        f'<linearGradient id="shade" x1="0" y1="0" x2="0" y2="1"><stop offset=".45" stop-color="{ground}" '
        f'stop-opacity="0"/><stop offset=".85" stop-color="{ground}" stop-opacity=".92"/></linearGradient>'
        f'<rect width="{_WIDTH}" height="{height}" fill="url(#shade)"/>'
        f'<g fill="{letters}" font-size="{size:.0f}" font-weight="700" font-family="\'League Gothic\','
        f"Haettenschweiler,Impact,'Arial Narrow','DejaVu Sans Condensed',sans-serif\">{text}</g>"
        f'<text x="{_MARGIN}" y="{height - 13}" fill="{letters}" fill-opacity=".8" font-size="12" '
        f'font-family="ui-sans-serif,system-ui,sans-serif">{escape(below[:44])}</text></svg>\n'
    )


def _breadth(line: str) -> float:
    """How broad a line is in a condensed face, as a multiple of its size."""
    return sum(
        _SLIM if letter in "IJ1'’.,:;!|- " else _BROAD if letter in "MW—…" else _USUAL for letter in line
    )


def _break(title: str) -> list[str]:
    """Break a title into at most four lines of about the same length, in capitals."""
    words = title.upper().split() or ["?"]
    wanted = min(_MOST_LINES, len(words), max(1, math.ceil(len(title) / _LINE_LETTERS)))
    goal = len(title) / wanted
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(lines) < wanted and len(longer) > goal + len(word) / 2:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line if len(line) <= _MOST_LETTERS else f"{line[: _MOST_LETTERS - 1]}…" for line in lines]


def _circle(x: float, y: float, r: float, fill: str, opacity: float = 1.0) -> str:
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.1f}" fill="{fill}" fill-opacity="{opacity:.2f}"/>'


def _rect(x: float, y: float, width: float, height: float, fill: str, opacity: float = 1.0) -> str:
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" fill="{fill}" '
        f'fill-opacity="{opacity:.2f}"/>'
    )


def _horizon(chance: _Chance, palette: _Palette) -> Iterator[str]:
    _, middle, light, _ = palette
    x, y, r = chance.between(90, 210), chance.between(125, 190), chance.between(55, 95)
    yield _circle(x, y, r, light)
    for number in range(7):
        yield _rect(0, y + r * (number / 4 - 0.5), _WIDTH, 4 + 3 * number, middle, 0.9)
    yield _rect(0, y + r * 0.9, _WIDTH, 450, middle)


def _rings(chance: _Chance, palette: _Palette) -> Iterator[str]:
    _, middle, light, _ = palette
    x, y = chance.between(60, 240), chance.between(110, 225)
    for number in range(9, 0, -1):
        yield _circle(x, y, number * 24, (middle, light)[number % 2], 0.16 + 0.09 * (9 - number))


def _slats(chance: _Chance, palette: _Palette) -> Iterator[str]:
    _, middle, light, _ = palette
    drop, lit = chance.between(-150, 150), 2 + chance.below(4)
    for number in range(10):
        y = number * 42 - 60
        fill = light if number == lit else middle
        yield f'<path d="M0 {y}L{_WIDTH} {y + drop:.0f}v{14 + chance.below(16)}L0 {y + 20}z" fill="{fill}"/>'


def _skyline(chance: _Chance, palette: _Palette) -> Iterator[str]:
    _, middle, light, _ = palette
    yield _circle(chance.between(60, 240), chance.between(70, 130), chance.between(26, 46), light)
    for level, opacity in ((190, 0.55), (250, 1.0)):
        x = -10.0
        while x < _WIDTH:
            broad, top = chance.between(22, 52), level + chance.between(-60, 45)
            yield _rect(x, top, broad, 450, middle, opacity)
            for window in range(chance.below(5)):
                yield _rect(x + 6 + 8 * (window % 3), top + 12 + 14 * window, 4, 6, light, 0.8)
            x += broad + 3


def _waves(chance: _Chance, palette: _Palette) -> Iterator[str]:
    _, middle, light, _ = palette
    yield _circle(chance.between(100, 200), 135, chance.between(50, 80), light, 0.9)
    for number in range(6):
        line = _wave(153 + 45 * number, chance.between(8, 26), chance.between(0, 6.3), 46)
        yield f'<path d="{line}V450H-6z" fill="{middle}" fill-opacity="{0.3 + 0.11 * number:.2f}"/>'


def _moons(chance: _Chance, palette: _Palette) -> Iterator[str]:
    ground, middle, light, _ = palette
    for _ in range(40):
        yield _circle(chance.between(0, 300), chance.between(0, 290), chance.between(0.6, 2.2), light, 0.8)
    x, y, r = chance.between(90, 210), chance.between(110, 170), chance.between(55, 85)
    yield _circle(x, y, r, light)
    yield _circle(x + r * chance.between(0.3, 0.6), y - r * 0.2, r, ground)
    peaks = " ".join(f"{x} {chance.between(225, 320):.0f}" for x in (60, 130, 190, 250))
    yield f'<path d="M0 325L{peaks} 300 315V450H0z" fill="{middle}"/>'


def _grooves(chance: _Chance, palette: _Palette) -> Iterator[str]:
    _, middle, light, _ = palette
    x, y = chance.between(120, 210), chance.between(90, 140)
    yield _circle(x, y, 150, middle)
    for number in range(12):
        yield (
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{48 + 8 * number}" fill="none" stroke="{light}" '
            f'stroke-opacity="{chance.between(0.1, 0.4):.2f}"/>'
        )
    yield _circle(x, y, 42, light)
    yield _circle(x, y, 5, middle)


def _bars(chance: _Chance, energy: float, palette: _Palette) -> Iterator[str]:
    _, middle, light, _ = palette
    for number in range(22):
        reach = (20 + 150 * energy * chance.between(0.25, 1)) * math.sin(math.pi * (number + 1) / 23)
        fill = light if chance.below(3) == 0 else middle
        yield _rect(8 + 13 * number, 120 - reach / 2, 8, reach, fill)


def _swing(chance: _Chance, energy: float, palette: _Palette) -> Iterator[str]:
    _, middle, light, _ = palette
    for number in range(11):
        swing = 3 + 20 * energy * math.sin(math.pi * number / 10)
        line = _wave(30 + 17 * number, swing, chance.between(0, 6.3), 52 - 30 * energy)
        stroke, width = (light, 4) if number in (4, 5) else (middle, 2.5)
        yield f'<path d="{line}" fill="none" stroke="{stroke}" stroke-width="{width}"/>'


def _wave(y: float, swing: float, phase: float, length: float) -> str:
    points = " ".join(f"{x} {y + swing * math.sin(phase + x / length):.0f}" for x in range(-6, 307, 6))
    return f"M{points}"
