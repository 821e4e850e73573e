// What a film and a song look like: artwork, facts, cards.

import { feedback, Refused } from "./api.js";
import { el, fill, icon, toast } from "./dom.js";
import { change, state } from "./state.js";

const posters = () => document.body.dataset.posters;
const REMOTE = "https://image.tmdb.org/t/p/w342";

/** Year, genres or artists, in a few words. */
export function facts(medium, item) {
  const year = item.year ?? (item.decade ? `${item.decade}s` : null);
  const parts = medium === "tracks" ? [item.artists?.join(", "), year] : [year, item.genres?.slice(0, 2).join(", ")];
  return parts.filter(Boolean).join(" · ");
}

/** "Film" or "song", said of one item. */
export const kind = (medium) => (medium === "movies" ? "film" : "song");

/** The artwork of an item; a poster or cover lies over it where there is one, and goes away where it fails to load. */
export function artwork(medium, item) {
  const holder = el("div", { class: "art", dataset: { medium } });
  holder.append(el("img", { src: `/art/${medium}/${encodeURIComponent(item.id)}.svg`, alt: "", loading: "lazy", decoding: "async" }));
  const source = pictureOf(medium, item);
  if (source) {
    const picture = el("img", {
      src: source, alt: "", class: "picture", loading: "lazy", decoding: "async", referrerpolicy: "no-referrer",
      onerror: () => picture.remove(),
      onload: () => { picture.dataset.loaded = "yes"; },
    });
    holder.append(picture);
  }
  return holder;
}

function pictureOf(medium, item) {
  const folders = (document.body.dataset.folders || "").split(" ");
  if (folders.includes(medium)) return `/pictures/${medium}/${encodeURIComponent(item.id)}`;
  return medium === "movies" && posters() === "remote" && item.poster_path ? REMOTE + item.poster_path : null;
}

/** A bar and a number for a match score in 0 … 1. */
export function scoreBar(score) {
  const shown = score.toFixed(2);
  return el("div", { class: "score" },
    el("meter", { min: "0", max: "1", value: shown, "aria-label": `match score ${shown} of 1` }),
    el("span", { class: "number", "aria-hidden": "true" }, shown));
}

/** Reasons in words, each with its share of what speaks for the hit. */
export function reasonList(reasons) {
  const gain = reasons.reduce((sum, reason) => sum + Math.max(0, reason.value), 0) || 1;
  return el("ul", { class: "reasons" }, reasons.filter((reason) => reason.text || Math.abs(reason.value) > 0.005).map((reason) => {
    const share = Math.round((100 * reason.value) / gain);
    return el("li", { class: reason.value < 0 ? "against" : null },
      el("span", { class: "share", style: { "--share": String(Math.min(100, Math.abs(share))) } }, `${share < 0 ? "−" : ""}${Math.abs(share)} %`),
      el("span", {}, reason.text || reason.term));
  }));
}

/** A result: artwork, title, facts, score, reasons on demand, and what can be done with it. */
export function card(medium, hit, { ask, indexVersion }) {
  const title = el("h3", {}, hit.title);
  const why = el("p", { class: "why" }, hit.reasons?.find((reason) => reason.value > 0 && reason.text)?.text || "");
  const details = el("details", {}, el("summary", {}, "Why, and more"));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(detailsOf(medium, hit));
  });
  const away = medium === "tracks"
    ? el("a", { class: "button", href: hit.listen, target: "_blank", rel: "noopener noreferrer" }, icon("play"), "Listen on Spotify")
    : el("a", { class: "button", href: hit.watch, target: "_blank", rel: "noopener noreferrer" }, icon("film"), "On TMDb");
  return el("article", { class: "card", dataset: { medium, id: hit.id } },
    artwork(medium, hit),
    el("div", { class: "told" }, title, el("p", { class: "facts" }, facts(medium, hit), hit.soundtrack ? el("span", { class: "known" }, medium === "movies" ? " · heard in it" : " · in the film") : null), hit.score !== undefined ? scoreBar(hit.score) : null, why),
    el("div", { class: "acts" },
      away,
      el("div", { class: "row" },
        press("plus", `More like ${hit.title}`, "more like this", () => more(medium, hit.id)),
        press("minus", `Less like ${hit.title}`, "less like this", () => less(medium, hit.id)),
        ask ? verdicts(medium, hit, ask, indexVersion) : null)),
    details);
}

function press(name, label, hint, run) {
  return el("button", { class: "round", type: "button", "aria-label": label, title: hint, onclick: run }, icon(name));
}

export function more(medium, id) {
  const own = medium === "movies" ? "movies" : "tracks";
  if (!state()[own].includes(id)) change({ [own]: [...state()[own], id] });
}

function less(medium, id) {
  const own = medium === "movies" ? "notMovies" : "notTracks";
  if (!state()[own].includes(id)) change({ [own]: [...state()[own], id] });
}

function verdicts(medium, hit, ask, indexVersion) {
  const row = el("span", { class: "verdicts", role: "group", "aria-label": `Does ${hit.title} fit?` });
  const give = async (verdict, button) => {
    const pressed = button.getAttribute("aria-pressed") === "true";
    for (const other of row.children) other.setAttribute("aria-pressed", "false");
    const said = pressed ? "none" : verdict;
    button.setAttribute("aria-pressed", String(!pressed));
    try {
      await feedback({ kind: "verdict", key: keyOf(`${indexVersion} ${JSON.stringify(ask)} ${medium} ${hit.id}`), verdict: said, query: ask, target: medium, id: hit.id, rank: hit.rank, index_version: indexVersion });
    } catch (error) {
      button.setAttribute("aria-pressed", "false");
      toast(error instanceof Refused ? `Not kept: ${error.message}` : "Your verdict could not be kept.");
    }
  };
  for (const [verdict, name, label] of [["up", "up", "It fits"], ["down", "down", "It does not fit"]]) {
    const button = el("button", { class: "round", type: "button", "aria-pressed": "false", "aria-label": `${label}: ${hit.title}`, title: label.toLowerCase(), onclick: () => give(verdict, button) }, icon(name));
    row.append(button);
  }
  return row;
}

/** A key that is the same for the same thing said by the same browser tab, so that saying it twice counts once. */
export function keyOf(what) {
  let own = sessionStorage.getItem("segue-key");
  if (!own) {
    // Not randomUUID, which there is only over HTTPS or on the own machine.
    own = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("segue-key", own);
  }
  let hash = 0x811c9dc5;
  let other = 0;
  for (const letter of what) {
    hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193) >>> 0;
    other = (Math.imul(other, 31) + letter.codePointAt(0)) >>> 0;
  }
  return `${own}-${hash.toString(16)}${other.toString(16)}`;
}

/** All that is known of an item, for a person. */
export function detailsOf(medium, item) {
  const parts = [];
  if (item.reasons?.length) parts.push(el("h4", {}, "Why"), reasonList(item.reasons));
  if (item.tagline) parts.push(el("p", { class: "tagline" }, item.tagline));
  if (item.overview) parts.push(el("p", {}, item.overview));
  const rows = medium === "movies"
    ? [["Genres", item.genres?.join(", ")], ["Keywords", item.keywords?.slice(0, 10).join(", ")], ["Runs", item.runtime_min && `${Math.round(item.runtime_min)} min`], ["Rated", item.rating && `${item.rating.toFixed(1)} of 10`], ["Language", item.language]]
    : [["Album", item.album], ["Genres", item.genres?.join(", ")], ["Tags", item.tags?.slice(0, 10).join(", ")], ["Tempo", item.tempo && `${Math.round(item.tempo)} beats a minute`], ["Energy", share(item.energy)], ["Cheer", share(item.valence)]];
  const told = rows.filter(([, value]) => value);
  if (told.length) parts.push(el("dl", {}, told.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
  return el("div", { class: "details" }, parts);
}

const share = (value) => (value === null || value === undefined ? null : `${Math.round(100 * value)} of 100`);

/** Fill a place with a message made for it. */
export function note(place, title, text, action) {
  return fill(place, el("div", { class: "note" }, el("h2", {}, title), el("p", {}, text), action));
}
