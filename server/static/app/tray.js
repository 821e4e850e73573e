// What is asked for, as chips: what to be near, what to stay away from, and what the page made of it in a sentence.

import { item } from "./api.js";
import { el, fill, icon } from "./dom.js";
import { artwork, kind } from "./items.js";
import { change, isAsked, targets } from "./state.js";

const NOTHING = { movies: [], tracks: [], text: "", notMovies: [], notTracks: [], notText: "", sound: null };

/** Make the tray; `update(state)` shows a state. */
export function makeTray() {
  const node = el("div", { class: "tray", role: "group", "aria-label": "What is asked for" });
  const said = el("p", { class: "understood" });
  let drawn = 0;

  async function update(s) {
    const turn = ++drawn;
    const wanted = [
      ...s.movies.map((id) => ["movies", "movies", id]), ...s.tracks.map((id) => ["tracks", "tracks", id]),
      ...s.notMovies.map((id) => ["notMovies", "movies", id]), ...s.notTracks.map((id) => ["notTracks", "tracks", id]),
    ];
    const items = await Promise.all(wanted.map(([, medium, id]) => item(medium, id).catch((error) => ({ id, title: id, gone: true, unknown: error.status === 404 }))));
    if (turn !== drawn) return;
    const chips = wanted.map(([list, medium, id], place) => chip(medium, items[place], list.startsWith("not"), () => change({ [list]: s[list].filter((other) => other !== id) })));
    if (s.text) chips.push(words(s.text, false, () => change({ text: "" })));
    if (s.notText) chips.push(words(s.notText, true, () => change({ notText: "" })));
    if (s.sound) chips.push(words(s.sound.name, false, () => change({ sound: null }), "sound"));
    if (chips.length > 1) chips.push(el("button", { type: "button", class: "quiet clear", onclick: () => change(NOTHING) }, "Clear"));
    const held = node.contains(document.activeElement);
    fill(node, chips);
    node.hidden = !chips.length;
    if (held) (node.querySelector("button") ?? document.getElementById("ask")).focus();
    fill(said, sentence(s, wanted, items));
    said.hidden = !isAsked(s);
  }

  return { node, said, update };
}

function chip(medium, found, against, remove) {
  const label = `${against ? "not like " : ""}${found.title}`;
  return el("span", { class: `chosen${against ? " against" : ""}${found.gone ? " gone" : ""}` },
    found.gone ? null : artwork(medium, found),
    el("span", { class: "name" }, found.unknown ? `${found.title} (not in this catalogue)` : label),
    el("button", { type: "button", class: "round small", "aria-label": `Remove ${label}`, onclick: remove }, icon("cross")));
}

function words(text, against, remove, name = "words") {
  return el("span", { class: `chosen words${against ? " against" : ""}` }, icon(name),
    el("span", { class: "name" }, `${against ? "not " : ""}“${text}”`),
    el("button", { type: "button", class: "round small", "aria-label": `Remove “${text}”`, onclick: remove }, icon("cross")));
}

function sentence(s, wanted, items) {
  if (!isAsked(s)) return "";
  const near = wanted.flatMap(([list, medium], place) => (list.startsWith("not") ? [] : [el("em", {}, items[place].title), medium]));
  const titles = near.filter((part) => typeof part !== "string");
  const media = new Set(near.filter((part) => typeof part === "string").map(kind));
  const found = targets(s).map((medium) => (medium === "movies" ? "films" : "songs")).join(" and ");
  const parts = [`Looking for ${found} that feel like `];
  if (titles.length > 3) parts.push(`${titles.length} ${media.size > 1 ? "films and songs" : `${[...media][0]}s`} together`);
  else titles.forEach((title, place) => parts.push(place ? (place === titles.length - 1 ? " and " : ", ") : "", title));
  if (s.sound) parts.push(titles.length ? " and " : "", "the sound of ", el("em", {}, s.sound.name));
  if (s.text) parts.push(titles.length || s.sound ? ", with the mood " : "the words ", el("em", {}, `“${s.text}”`));
  const turned = [
    s.bright && (s.bright > 0 ? "brighter" : "darker"), s.wild && (s.wild > 0 ? "wilder" : "calmer"),
    s.known !== null && (s.known > 0.5 ? "better known" : "more hidden"), s.varied && "more varied",
  ].filter(Boolean);
  if (turned.length) parts.push(`, but ${turned.join(", ")}`);
  return [...parts, "."];
}
