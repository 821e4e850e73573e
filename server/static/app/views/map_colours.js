// What points are coloured by, for light and dark grounds.

const UNKNOWN = 255;
const FAINT = "#8d8778";
const HUES = {
  light: ["#8f2d2a", "#d1742a", "#2f6fb0", "#7a6a50", "#5b7d2e", "#b0368c", "#4a4590", "#c24a2b", "#d8518a", "#c79a1e", "#2d7f78"],
  dark: ["#e0655f", "#f2a65a", "#6fb1ee", "#b9a684", "#9cc764", "#e37cc4", "#9a93ee", "#f0825f", "#f28db4", "#e8c95a", "#63c3b8"],
};
const MEDIA = { light: { movies: "#b5431c", tracks: "#2b7a86" }, dark: { movies: "#ffb066", tracks: "#5fb6bd" } };
const RAMPS = {
  light: { mood: ["#33407f", "#6d6f9c", "#b09a8e", "#d98c3f", "#c9571a"], energy: ["#2a6b6f", "#5f9a86", "#a9a36c", "#cf7a43", "#b02a4a"] },
  dark: { mood: ["#6f86ff", "#8f97d6", "#b9ad9f", "#f0b35f", "#ff9340"], energy: ["#4fc3c0", "#84c7a0", "#cdc47f", "#f2995f", "#ff5f86"] },
};
const STEPS = 16;
export const COLOURINGS = [["", "Medium"], ["genre", "Genre"], ["mood", "Mood"], ["energy", "Energy"]];

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
const join = (rgb) => `rgb(${rgb.map((part) => Math.round(255 * part)).join(" ")})`;

/** Colours for a colouring: `codes` per point into `palette` ([r, g, b, a] each), and the `entries` of its legend. */
export function colour(points, legend, by, ground) {
  const codes = new Uint8Array(points.count);
  const film = (point) => point < points.films;
  if (by === "genre") {
    const colours = [FAINT, ...HUES[ground]].map(channels);
    const films = legend.genres.movies.length + 1;
    for (let point = 0; point < points.count; point++) codes[point] = points.genre[point] + (film(point) ? 0 : films);
    const palette = [...colours.slice(0, films), ...colours.slice(0, legend.genres.tracks.length + 1)];
    const list = (medium, from, other) => [...legend.genres[medium], other].map((name, place) => ({ name, medium, codes: [from + (place + 1) % (legend.genres[medium].length + 1)] }));
    return finish(codes, palette, [...list("movies", 0, "other films"), ...list("tracks", films, "songs without a genre")]);
  }
  if (by === "mood" || by === "energy") {
    const values = by === "mood" ? points.valence : points.arousal;
    const range = spread(values);
    const palette = Array.from({ length: STEPS }, (_, step) => mix(RAMPS[ground][by], step / (STEPS - 1)));
    for (let point = 0; point < points.count; point++) {
      const share = (values[point] - range[0]) / (range[1] - range[0]);
      codes[point] = values[point] === UNKNOWN ? STEPS : Math.round((STEPS - 1) * Math.min(1, Math.max(0, share)));
    }
    const words = by === "mood" ? ["sad", "bitter", "mixed", "warm", "happy"] : ["calm", "easy", "steady", "lively", "wild"];
    const entries = words.map((name, part) => ({ name, codes: Array.from({ length: STEPS }, (_, step) => step).filter((step) => Math.min(4, Math.floor((5 * step) / STEPS)) === part) }));
    return finish(codes, [...palette, channels(FAINT)], entries);
  }
  for (let point = 0; point < points.count; point++) codes[point] = film(point) ? 0 : 1;
  const palette = [MEDIA[ground].movies, MEDIA[ground].tracks].map(channels);
  return finish(codes, palette, [{ name: `${points.films.toLocaleString()} films`, medium: "movies", codes: [0] }, { name: `${points.songs.toLocaleString()} songs`, medium: "tracks", codes: [1] }]);
}

function finish(codes, palette, entries) {
  const used = new Set(codes);
  const shown = entries.filter((entry) => entry.codes.some((code) => used.has(code)));
  for (const entry of shown) entry.colour = join(palette[entry.codes[entry.codes.length >> 1]]);
  return { codes, palette, entries: shown };
}

/** Where most values lie: from the 4th to the 96th of a hundred, so that a few extremes do not grey all others. */
function spread(values) {
  const counts = new Uint32Array(256);
  for (const value of values) counts[value]++;
  const known = values.length - counts[UNKNOWN];
  const at = (share) => {
    let seen = 0;
    for (let value = 0; value < UNKNOWN; value++) {
      seen += counts[value];
      if (seen > share * known) return value;
    }
    return UNKNOWN - 1;
  };
  const low = at(0.04);
  return [low, Math.max(low + 1, at(0.96))];
}

function mix(stops, share) {
  const place = share * (stops.length - 1);
  const first = Math.min(stops.length - 2, Math.floor(place));
  const [a, b] = [channels(stops[first]), channels(stops[first + 1])];
  return a.map((part, number) => part + (b[number] - part) * (place - first));
}
