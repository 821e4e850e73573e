// A grid to pick from: what is picked goes into the tray, and the answer follows.

import { picks, Refused } from "../api.js";
import { announce, el, fill } from "../dom.js";
import { artwork, facts, note } from "../items.js";
import { makeList } from "../results.js";
import { change, state } from "../state.js";

export function make() {
  const grid = el("div", { class: "posters", role: "group", "aria-label": "Pick what you love" });
  const lists = { movies: makeList("movies", { heading: "Films for your taste", limit: 12 }), tracks: makeList("tracks", { heading: "Songs for your taste", limit: 12 }) };
  const others = el("button", { type: "button", class: "quiet", onclick: () => load(page + 1) }, "Show me others");
  const media = el("fieldset", { class: "toggle" }, el("legend", { class: "unseen" }, "Pick from"),
    [["movies", "Pick films"], ["tracks", "Pick songs"]].map(([value, name]) => el("label", {}, el("input", { type: "radio", name: "pick", value, onchange: () => change({ pick: value }) }), el("span", {}, name))));
  const lead = el("p", { class: "lead" });
  const node = el("div", { class: "view taste-view" }, el("div", { class: "controls" }, media, others), lead, grid, el("div", { class: "lists" }, lists.movies.node, lists.tracks.node));
  let page = 0;
  let loaded = "";
  let running = null;
  let shown = [];

  async function load(number) {
    const medium = state().pick;
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    grid.setAttribute("aria-busy", "true");
    try {
      const found = await picks(medium, number, signal);
      if (!found.results.length && number > 0) return await load(0);
      page = number;
      loaded = medium;
      shown = found.results;
      draw(medium);
      announce(`${shown.length} to pick from`);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      note(grid, "That did not work", error.message, el("button", { type: "button", onclick: () => load(number) }, "Try again"));
    } finally {
      grid.removeAttribute("aria-busy");
    }
  }

  function draw(medium) {
    const s = state();
    fill(grid, shown.map((item) => {
      const button = el("button", { type: "button", class: "pick", "aria-pressed": String(s[medium].includes(item.id)), "aria-label": `${item.title}, ${facts(medium, item)}`, dataset: { id: item.id, medium }, onclick: () => toggle(medium, item.id) },
        artwork(medium, item), el("span", { class: "name" }, item.title));
      return button;
    }));
  }

  function toggle(medium, id) {
    const now = state()[medium];
    change({ [medium]: now.includes(id) ? now.filter((other) => other !== id) : [...now, id] });
  }

  async function update(s) {
    const medium = s.pick;
    for (const input of media.querySelectorAll("input")) input.checked = input.value === medium;
    lead.textContent = medium === "movies" ? "Pick a few films you love. The songs that fit all of them follow." : "Pick a few songs you love. The films that fit all of them follow.";
    if (loaded !== medium) await load(0);
    for (const button of grid.querySelectorAll(".pick")) button.setAttribute("aria-pressed", String(s[medium].includes(button.dataset.id)));
    const target = medium === "movies" ? "tracks" : "movies";
    lists[medium].clear();
    if (s[medium].length) {
      lists[target].node.hidden = false;
      await lists[target].show(s);
    } else {
      lists[target].clear();
    }
  }
  return { node, update, title: "Taste" };
}
