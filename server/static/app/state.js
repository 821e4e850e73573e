// What is asked for, kept in the address: every state can be shared, and the way back works.

export const VIEWS = ["search", "taste", "map", "compare", "report"];
export const DIALS = { bright: [-1, 1, 0], wild: [-1, 1, 0], known: [0, 1, null], varied: [0, 1, 0] };
const LISTS = { m: "movies", t: "tracks", xm: "notMovies", xt: "notTracks", g: "filmGenres", s: "songGenres", l: "language" };
const NUMBERS = { from: "year_min", to: "year_max", rated: "rating_min" };
const TARGETS = ["movies", "tracks", "both"];

/** The state that an address stands for; what makes no sense in it is left out. */
export function read(query) {
  const given = new URLSearchParams(query);
  const state = { view: VIEWS.includes(given.get("view")) ? given.get("view") : "search" };
  for (const [short, name] of Object.entries(LISTS)) state[name] = [...new Set(given.getAll(short).filter(Boolean))].slice(0, 50);
  state.text = (given.get("q") || "").slice(0, 2000);
  state.notText = (given.get("xq") || "").slice(0, 2000);
  state.target = TARGETS.includes(given.get("for")) ? given.get("for") : "";
  for (const [name, [low, high, off]] of Object.entries(DIALS)) {
    const value = given.has(name) ? Number(given.get(name)) : NaN;
    state[name] = Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : off;
  }
  for (const [short, name] of Object.entries(NUMBERS)) {
    const value = given.get(short) ? Number(given.get(short)) : NaN;
    state[name] = Number.isFinite(value) ? value : null;
  }
  state.explicit = { yes: true, no: false }[given.get("explicit")] ?? null;
  state.sound = readSound(given.get("sound"));
  state.against = given.get("against") || "";
  state.blind = given.get("blind") === "yes";
  state.by = given.get("by") || "";
  state.pick = given.get("pick") === "tracks" ? "tracks" : "movies";
  return state;
}

/** The address of a state: only what differs from the start. */
export function write(state) {
  const shown = new URLSearchParams();
  if (state.view !== "search") shown.set("view", state.view);
  for (const [short, name] of Object.entries(LISTS)) for (const value of state[name]) shown.append(short, value);
  if (state.text) shown.set("q", state.text);
  if (state.notText) shown.set("xq", state.notText);
  if (state.target) shown.set("for", state.target);
  for (const [name, [, , off]] of Object.entries(DIALS)) if (state[name] !== off) shown.set(name, String(state[name]));
  for (const [short, name] of Object.entries(NUMBERS)) if (state[name] !== null) shown.set(short, String(state[name]));
  if (state.explicit !== null) shown.set("explicit", state.explicit ? "yes" : "no");
  if (state.sound) shown.set("sound", JSON.stringify(state.sound));
  if (state.against) shown.set("against", state.against);
  if (state.blind) shown.set("blind", "yes");
  if (state.by) shown.set("by", state.by);
  if (state.pick !== "movies") shown.set("pick", state.pick);
  const query = shown.toString();
  return query ? `?${query}` : location.pathname;
}

function readSound(text) {
  if (!text) return null;
  try {
    const { name, features } = JSON.parse(text);
    const numbers = Object.entries(features).filter(([, value]) => Number.isFinite(value));
    return numbers.length ? { name: String(name).slice(0, 80), features: Object.fromEntries(numbers) } : null;
  } catch {
    return null;
  }
}

let now = read(location.search);
const listeners = new Set();

export const state = () => now;

/** Change the state; `quietly` replaces the entry in the history instead of adding one. */
export function change(patch, quietly = false) {
  const next = { ...now, ...patch };
  const address = write(next);
  if (address === write(now)) return;
  now = next;
  history[quietly ? "replaceState" : "pushState"](null, "", address);
  tell();
}

export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  for (const listener of listeners) listener(now);
}

addEventListener("popstate", () => {
  now = read(location.search);
  tell();
});

/** Whether anything is asked for. */
export const isAsked = (s) => Boolean(s.movies.length || s.tracks.length || s.text || s.sound);

/** The media to search: as chosen, else the ones that were not given, else both. */
export function targets(s) {
  if (s.target === "both") return ["movies", "tracks"];
  if (s.target) return [s.target];
  const songs = s.tracks.length || s.sound;
  if (songs && !s.movies.length) return ["movies"];
  if (s.movies.length && !songs) return ["tracks"];
  return ["movies", "tracks"];
}

/** The body of a search for `target`. */
export function toBody(s, target, more = {}) {
  const filters = {};
  const genres = target === "movies" ? s.filmGenres : s.songGenres;
  if (genres.length) filters.genres = genres;
  if (s.language.length && target === "movies") filters.language = s.language;
  for (const name of ["year_min", "year_max"]) if (s[name] !== null) filters[name] = s[name];
  if (s.rating_min !== null && target === "movies") filters.rating_min = s.rating_min;
  if (s.explicit !== null && target === "tracks") filters.explicit = s.explicit;
  const body = {
    target,
    movies: s.movies,
    tracks: s.tracks,
    text: s.text,
    avoid: { movies: s.notMovies, tracks: s.notTracks, text: s.notText },
    filters,
    mood: { valence: s.bright, energy: s.wild },
    diversity: s.varied,
    ...more,
  };
  if (s.known !== null) body.popularity = s.known;
  if (s.sound) body.items = [{ kind: "track", features: s.sound.features }];
  return body;
}
