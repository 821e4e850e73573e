// One query, Segue beside the published systems; blind on request.

import { feedback, relevance, search, tally, Refused } from "../api.js";
import { announce, el, fill } from "../dom.js";
import { artwork, facts, keyOf, note, scoreBar } from "../items.js";
import { change, isAsked, state, targets, toBody } from "../state.js";

const LIMIT = 10;

export function make() {
  const pickers = el("div", { class: "pickers" });
  const columns = el("div", { class: "columns" });
  const votes = el("div", { class: "votes" });
  const blind = el("label", { class: "switch" }, el("input", { type: "checkbox", onchange: (event) => change({ blind: event.target.checked }) }), el("span", {}, "Blind: hide the names and shuffle"));
  const node = el("div", { class: "view compare-view" }, el("p", { class: "lead" }, "One question, two answers. Segue's beside that of another method in this version."), el("div", { class: "controls" }, pickers, blind), votes, columns, el("div", { class: "tally", tabindex: "0", role: "region", "aria-label": "Blind votes" }));
  let held = null;
  let running = null;

  async function update(s) {
    blind.querySelector("input").checked = s.blind;
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    fill(votes);
    try {
      held ??= (await relevance(signal)).methods;
      const names = Object.keys(held).filter((name) => !held[name].missing);
      const other = names.includes(s.against) ? s.against : names.find((name) => name === "text-cosine") ?? names[0];
      fill(pickers, names.length ? el("label", {}, "Segue against ", el("select", { id: "against", onchange: (event) => change({ against: event.target.value }) }, names.map((name) => el("option", { value: name, selected: name === other }, name)))) : null);
      await showTally(signal);
      if (!names.length) return void note(columns, "Nothing to compare with", "This version holds no other method. Build one with: python -m indexer build --methods all …");
      if (!(s.movies.length || s.tracks.length)) return void note(columns, "Choose a song or a film first", isAsked(s) ? "The other methods take songs and films only, no words: name one above." : "Name one above; both columns answer at once.");
      const target = s.target && s.target !== "both" ? s.target : targets(s)[0];
      await showColumns(s, target, other, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      note(columns, "That did not work", error.message);
    }
  }

  async function showColumns(s, target, other, signal) {
    const ask = { target, movies: s.movies, tracks: s.tracks, filters: toBody(s, target).filters, limit: LIMIT };
    const methods = ["segue", other];
    columns.setAttribute("aria-busy", "true");
    const answers = await Promise.all(methods.map((method) => search({ ...ask, method }, signal).catch((error) => error)));
    if (signal.aborted) return;
    columns.removeAttribute("aria-busy");
    const order = s.blind && parseInt(keyOf(JSON.stringify(ask) + other).slice(-1), 16) % 2 ? [1, 0] : [0, 1];
    const names = order.map((place, column) => (s.blind ? `Answer ${"AB"[column]}` : methods[place] === "segue" ? "Segue" : methods[place]));
    fill(columns, order.map((place, column) => columnOf(target, names[column], answers[place], s.blind ? "" : held[methods[place]]?.about, !s.blind && methods[place] === "segue")));
    if (s.blind && answers.every((answer) => !(answer instanceof Error))) fill(votes, ballot(ask, methods, order, answers[0].index_version));
  }

  function ballot(ask, methods, order, indexVersion) {
    const node = el("div", { class: "ballot", role: "group", "aria-label": "Which answer is better?" }, el("p", {}, "Which answer is better?"));
    for (const [name, place] of [["A", order[0]], ["B", order[1]], ["Neither", -1]]) {
      node.append(el("button", { type: "button", onclick: async () => {
        const winner = place < 0 ? "tie" : methods[place];
        try {
          await feedback({ kind: "vote", key: keyOf(`vote ${indexVersion} ${JSON.stringify(ask)} ${methods}`), methods, winner, query: ask, target: ask.target, index_version: indexVersion });
          fill(node, el("p", {}, `A was ${label(methods[order[0]])}, B was ${label(methods[order[1]])}. Thank you.`), el("button", { type: "button", class: "quiet", onclick: () => change({ blind: false }) }, "Show the names"));
          announce("Your vote was kept");
          await showTally();
        } catch (error) {
          fill(node, el("p", { role: "alert" }, `Not kept: ${error.message}`));
        }
      } }, name));
    }
    return node;
  }

  async function showTally(signal) {
    const place = node.querySelector(".tally");
    try {
      const { votes: rows } = await tally(signal);
      fill(place, rows?.length ? el("table", {}, el("caption", {}, "Blind votes so far"), el("thead", {}, el("tr", {}, ["Against", "Segue better", "Neither", "Other better", "Segue's share", "95 % interval"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, rows.map((row) => el("tr", {}, el("th", { scope: "row" }, row.against), el("td", {}, row.wins), el("td", {}, row.ties), el("td", {}, row.losses), el("td", {}, row.share === null ? "–" : `${Math.round(100 * row.share)} %`), el("td", {}, row.interval ? `${Math.round(100 * row.interval[0])}–${Math.round(100 * row.interval[1])} %` : "–"))))) : el("p", { class: "hint" }, "No blind votes yet."));
    } catch (error) {
      if (signal?.aborted) return;
      fill(place, el("p", { class: "hint" }, "The votes cannot be shown now."));
    }
  }
  return { node, update, title: "Compare" };
}

const label = (method) => (method === "segue" ? "Segue" : method);

// Other methods' scores are no probabilities, so only Segue's are shown.
function columnOf(target, name, answer, about, scored) {
  if (answer instanceof Error) return el("section", { class: "column", "aria-label": name }, el("h2", {}, name), el("p", { class: "note" }, answer.message));
  return el("section", { class: "column", "aria-label": name }, el("h2", {}, name), about ? el("p", { class: "hint" }, about) : null,
    el("ol", {}, answer.results.map((hit) => el("li", {}, artwork(target, hit), el("div", {}, el("b", {}, hit.title), el("small", {}, facts(target, hit)), scored ? scoreBar(hit.score) : null)))));
}
