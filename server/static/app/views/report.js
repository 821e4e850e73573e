// How good the answers are, and how to read a score.

import { relevance, Refused } from "../api.js";
import { el, fill } from "../dom.js";
import { note } from "../items.js";

const WAYS = [["song_to_film", "Song → film"], ["film_to_song", "Film → song"]];
const ROWS = [
  ["recall_10", "Found in the first ten", "%"],
  ["recall_100", "Found in the first hundred", "%"],
  ["median_percentile", "Median place, in % of the gallery (50 is chance, 0 the best)", ""],
  ["largest_hub", "Commonest item, share of all lists", "%"],
  ["distinct_per_slot", "Different items per place in lists of ten", "%"],
  ["calibration_error", "Error of the match score", ""],
];

export function make() {
  const node = el("div", { class: "view report-view" });
  let drawn = false;
  async function update() {
    if (drawn) return;
    try {
      const card = await relevance();
      drawn = true;
      fill(node, el("p", { class: "lead" }, `What version ${card.index_version} finds of pairs that it did not learn from.`), tables(card), reading(card), learned(card), methods(card),
        el("p", {}, el("a", { href: "/relevance" }, "All figures of this version"), " · ", el("a", { href: "/report" }, "The evaluation with its plots"), " · ", el("a", { href: "/docs" }, "The API")));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      note(node, "That did not work", error.message);
    }
  }
  return { node, update, title: "Report" };
}

function tables(card) {
  const held = card.relevance;
  if (!held) return el("div", { class: "note" }, el("p", {}, "This version had too few known pairs to be measured by."));
  return el("section", { class: "measured" }, el("p", {}, `${held.pairs.toLocaleString("en")} known pairs of ${held.films.toLocaleString("en")} films; each was ranked among the whole gallery by what was learned without its film and its artists.`),
    el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Relevance card" }, el("table", {}, el("caption", { class: "unseen" }, "Relevance card"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Measure"), WAYS.map(([way, name]) => el("th", { scope: "col" }, `${name} (${held[way].gallery.toLocaleString("en")})`)))),
      el("tbody", {}, ROWS.map(([key, name, unit]) => el("tr", {}, el("th", { scope: "row" }, name), WAYS.map(([way]) => el("td", {}, figure(held[way][key], unit)))))))),
    el("p", { class: "hint" }, "The bars are 95 % intervals, drawn again by film."));
}

function figure(value, unit) {
  const show = (number) => (unit ? `${(100 * number).toFixed(1)} %` : number < 1 ? number.toFixed(3) : number.toFixed(1));
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return show(value);
  // Bars of shares end at a fifth where that is enough; places at a half of the gallery.
  const most = unit ? (value.high > 0.2 ? 1 : 0.2) : 50;
  const place = (number) => `${Math.min(100, (100 * number) / most).toFixed(1)}%`;
  return [el("b", {}, show(value.value)), el("span", { class: "facts" }, ` ${show(value.low)} to ${show(value.high)}`),
    el("span", { class: "interval", "aria-hidden": "true", style: { "--low": place(value.low), "--high": place(value.high), "--at": place(value.value) } })];
}

function reading(card) {
  return el("section", {}, el("h2", {}, "How to read a score"),
    el("p", {}, "A match score is a probability: of two pairs, a real soundtrack pair and a random one, how likely is it that this one is the real one? It is fitted on pairs kept aside. 0.9 means that nine of ten pairs with that score were real ones."),
    el("p", {}, `Below ${card.good_match} even the best hit is more likely a chance pair: the page then says that there is no good match. For words, and for several inputs together, the score is a guide only.`),
    el("p", {}, "Reasons are the terms that the raw score is the sum of. Nothing is made up afterwards: take away a term, and the score falls by its share."));
}

function learned(card) {
  return el("section", {}, el("h2", {}, "What was learned"), el("dl", {}, Object.entries(card.learned).map(([name, from]) => [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, from)])));
}

function methods(card) {
  const rows = Object.entries(card.methods);
  return el("section", {}, el("h2", {}, "Methods to compare with"), rows.length ? el("dl", {}, rows.map(([name, held]) => [el("dt", {}, name), el("dd", {}, held.missing ? `not in this version: ${held.missing}` : held.about)])) : el("p", {}, "This version holds none."));
}
