// Ranked lists with their states: waiting, nothing, no good match, refused, and more of the same.

import { Refused, search } from "./api.js";
import { announce, el, fill } from "./dom.js";
import { artwork, card, facts as factsOf, more, note } from "./items.js";
import { toBody } from "./state.js";

export const PAGE = 24;
const HEARD = 24;
const SOURCES = { given: "a pair that this index was given", knowledge: "known to Segue", catalogue: "as the catalogue says" };

/** Make a list of results for `target`; `show(state)` searches and gives the facets. */
export function makeList(target, { limit = PAGE, heading, method } = {}) {
  const grid = el("div", { class: "grid", dataset: { medium: target } });
  const title = el("h2", {}, heading ?? (target === "movies" ? "Films" : "Songs"));
  const total = el("span", { class: "count" });
  const poor = el("p", { class: "poor", hidden: true });
  const foot = el("div", { class: "foot" });
  const facts = el("div", { class: "heard", hidden: true });
  const node = el("section", { class: "results", "aria-label": title.textContent }, el("header", {}, el("div", {}, title, total), el("div", { class: "export" })), facts, poor, grid, foot);
  const download = exporter(target, () => shown, node.querySelector(".export"));
  let running = null;
  let shown = [];

  async function show(s, more = {}) {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    const ask = toBody(s, target, { ...(method ? { method } : {}), ...more });
    node.setAttribute("aria-busy", "true");
    if (!grid.children.length) fill(grid, Array.from({ length: 6 }, () => el("div", { class: "card waiting", "aria-hidden": "true" }, el("div", { class: "art" }))));
    try {
      const answer = await search({ ...ask, limit, facets: true, soundtrack: true }, signal);
      if (signal.aborted) return null;
      draw(ask, answer);
      return answer.facets;
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof Refused)) throw error;
      shown = [];
      poor.hidden = true;
      fill(foot);
      total.textContent = "";
      note(grid, error.status === 429 ? "A moment, please" : "That did not work", error.status === 429 && error.retryAfter_s ? `${error.message} Try again in ${error.retryAfter_s} s.` : error.message,
        el("button", { type: "button", onclick: () => show(s, more) }, "Try again"));
      announce(error.message);
      return null;
    } finally {
      if (running?.signal === signal) node.removeAttribute("aria-busy");
    }
  }

  function draw(ask, answer) {
    shown = answer.results;
    const known = { ask, indexVersion: answer.index_version };
    drawHeard(answer.soundtrack ?? []);
    total.textContent = answer.total ? ` ${answer.total.toLocaleString("en")} in all` : "";
    if (!answer.results.length) {
      poor.hidden = true;
      note(grid, "Nothing fits", "The filters leave nothing to choose from. Take one away, or ask for something else.");
    } else {
      fill(grid, answer.results.map((hit) => card(target, hit, known)));
      poor.hidden = answer.good_match;
      poor.textContent = "No good match: even the first of these is more likely no good match than one.";
    }
    download.hidden = !answer.results.length;
    announce(answer.results.length ? `${answer.results.length} ${target === "movies" ? "films" : "songs"}, first ${answer.results[0].title}` : "nothing fits");
    fill(foot, answer.total > shown.length ? moreButton(ask, answer, known) : null);
  }

  /** The known soundtrack, a row of facts above what is ranked. */
  function drawHeard(known) {
    facts.hidden = !known.length;
    fill(facts, el("h3", {}, target === "movies" ? "Heard in" : "Heard in the film"),
      el("ul", {}, known.slice(0, HEARD).map((item) => el("li", { title: SOURCES[item.source] }, artwork(target, item),
        el("button", { type: "button", class: "link", onclick: () => more(target, item.id) }, item.title), el("span", { class: "facts" }, factsOf(target, item))))));
  }

  function moreButton(ask, answer, known) {
    const button = el("button", { type: "button", class: "quiet", onclick: async () => {
      button.disabled = true;
      try {
        const next = await search({ ...ask, limit, offset: shown.length, index_version: answer.index_version });
        const from = grid.children.length;
        shown = [...shown, ...next.results];
        grid.append(...next.results.map((hit) => card(target, hit, known)));
        grid.children[from]?.querySelector("a, button")?.focus();
        if (!next.results.length || shown.length >= next.total) fill(foot);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        fill(foot, el("p", { role: "alert" }, error.message));
      }
      button.disabled = false;
    } }, "More");
    return button;
  }

  function clear() {
    running?.abort();
    shown = [];
    fill(grid);
    fill(foot);
    node.hidden = true;
  }

  return { node, show, clear, hits: () => shown };
}

const WRITERS = {
  csv: ["text/csv", (rows) => [["rank", "id", "title", "by", "year", "score", "link"], ...rows].map((row) => row.map(quote).join(",")).join("\r\n") + "\r\n"],
  m3u: ["audio/x-mpegurl", (rows) => `#EXTM3U\n${rows.map(([, , title, by, , , link]) => `#EXTINF:-1,${by ? `${by} - ` : ""}${title}\n${link}`).join("\n")}\n`],
  txt: ["text/plain", (rows) => rows.map(([rank, , title, by, year]) => `${rank}. ${by ? `${by} – ` : ""}${title}${year ? ` (${year})` : ""}`).join("\n") + "\n"],
};

// A cell that a spreadsheet would take for a formula gets a quote in front.
const quote = (cell) => `"${String(cell ?? "").replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;

function exporter(target, hits, place) {
  const save = (name) => {
    const [type, write] = WRITERS[name];
    const line = (cell) => String(cell ?? "").replace(/[\r\n]+/g, " ");
    const rows = hits().map((hit) => [hit.rank, hit.id, line(hit.title), line(hit.artists?.join(", ")), hit.year, hit.score?.toFixed(4), hit.listen ?? hit.watch]);
    const address = URL.createObjectURL(new Blob([write(rows)], { type: `${type};charset=utf-8` }));
    el("a", { href: address, download: `segue-${target === "movies" ? "films" : "songs"}.${name}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };
  const group = el("div", { role: "group", "aria-label": "Save this list", hidden: true }, el("span", {}, "Save as "),
    Object.keys(WRITERS).map((name) => el("button", { type: "button", class: "link", onclick: () => save(name) }, name.toUpperCase())));
  place.append(group);
  return group;
}
