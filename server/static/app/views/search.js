// Ask, and see what fits.

import { picks, Refused } from "../api.js";
import { el, fill } from "../dom.js";
import { makeDials, makeFilters } from "../dials.js";
import { artwork, facts, note } from "../items.js";
import { makeList } from "../results.js";
import { change, isAsked, state, targets } from "../state.js";

const TRY = [
  ["neon rain, lonely, slow", { text: "neon rain, lonely, slow" }],
  ["a summer that will not last", { text: "a summer that will not last" }],
  ["a heist that goes wrong", { text: "a heist that goes wrong" }],
  ["quiet, snow, grief", { text: "quiet, snow, grief" }],
];

export function make() {
  const dials = makeDials();
  const filters = makeFilters();
  const lists = { movies: makeList("movies"), tracks: makeList("tracks") };
  const tell = el("div", { class: "told-of", "aria-live": "polite" });
  const media = el("fieldset", { class: "toggle" }, el("legend", { class: "unseen" }, "What to find"),
    [["movies", "Films"], ["tracks", "Songs"], ["both", "Both"]].map(([value, name]) => el("label", {},
      el("input", { type: "radio", name: "for", value, onchange: () => change({ target: value }) }), el("span", {}, name))));
  const controls = el("div", { class: "controls" }, media, dials.node, filters.node);
  const start = el("section", { class: "start" },
    el("p", {}, "Name a song to find the films that feel like it. Name films you love to find the music. Or say how it should feel."),
    el("div", { class: "tries" }, TRY.map(([name, patch]) => el("button", { type: "button", class: "chip", onclick: () => change(patch) }, `“${name}”`))),
    el("p", {}, "You can paste a playlist or drop an audio file as well, or ", el("button", { type: "button", class: "link", onclick: () => change({ view: "taste" }) }, "pick from posters"), "."));
  const wall = el("div", { class: "wall" });
  start.append(wall);
  let walled = false;
  const node = el("div", { class: "view search-view" }, tell, start, controls, el("div", { class: "lists" }, lists.movies.node, lists.tracks.node));
  const facets = {};

  async function update(s) {
    const asked = isAsked(s);
    start.hidden = asked;
    controls.hidden = !asked;
    const wanted = asked ? targets(s) : [];
    const shown = s.target || (wanted.length > 1 ? "both" : wanted[0]);
    for (const input of media.querySelectorAll("input")) input.checked = input.value === shown;
    dials.update(s);
    node.dataset.lists = String(wanted.length);
    await Promise.all(Object.entries(lists).map(async ([target, list]) => {
      if (!wanted.includes(target)) {
        delete facets[target];
        return list.clear();
      }
      list.node.hidden = false;
      const counted = await list.show(s);
      if (counted) facets[target] = counted;
    }));
    if (!asked && !walled) {
      walled = true;
      try {
        await drawWall(wall);
      } catch (error) {
        walled = false;
        if (!(error instanceof Refused)) throw error;
        note(wall, "That did not work", error.message, el("button", { type: "button", onclick: () => update(state()) }, "Try again"));
      }
    }
    if (state() === s && asked) filters.update(s, Object.fromEntries(wanted.map((target) => [target, facets[target]])));
  }
  return { node, update, title: "Search", tell: (what) => fill(tell, what) };
}

/** Some films and songs to begin with. */
async function drawWall(wall) {
  const [films, songs] = await Promise.all([picks("movies", 0), picks("tracks", 0)]);
  const row = (medium, items, title) => el("section", {}, el("h2", {}, title), el("div", { class: "strip" }, items.slice(0, 12).map((item) => el("button", {
    type: "button", class: "pick", "aria-label": `${item.title}, ${facts(medium, item)}`, onclick: () => change({ [medium]: [item.id] }),
  }, artwork(medium, item), el("span", { class: "name" }, item.title)))));
  fill(wall, row("movies", films.results, "The music of a film"), row("tracks", songs.results, "The films of a song"));
}
