// Dials and filters. Facets are counted by the server for what is asked; a filter says how many results it would leave.

import { debounce, el, fill } from "./dom.js";
import { change, state, DIALS } from "./state.js";

const SLIDERS = [
  ["bright", "Darker", "Brighter"],
  ["wild", "Calmer", "Wilder"],
  ["known", "Hidden", "Known"],
  ["varied", "Focused", "Varied"],
];
const MOST_FACETS = 14;
let languageNames;
try {
  languageNames = new Intl.DisplayNames(["en"], { type: "language" });
} catch {
  languageNames = { of: (code) => code };
}

/** Make the four dials; `update(state)` turns them as a state says. */
export function makeDials() {
  const sliders = SLIDERS.map(([name, low, high]) => {
    const [least, most, off] = DIALS[name];
    const middle = off ?? 0.5;
    const input = el("input", {
      type: "range", id: `dial-${name}`, min: least, max: most, step: "0.1", value: String(middle),
      "aria-label": `${low.toLowerCase()} to ${high.toLowerCase()}`, "aria-valuetext": "in the middle",
    });
    const turn = debounce(() => {
      const value = Math.round(Number(input.value) * 10) / 10;
      change({ [name]: value === middle ? off : value }, true);
    }, 40);
    input.addEventListener("input", () => { say(); turn(); });
    const say = () => {
      const value = Number(input.value) - middle;
      input.setAttribute("aria-valuetext", value === 0 ? "off" : `${value < 0 ? low : high} ${Math.round((100 * Math.abs(value)) / (most - middle || 1))} %`);
      input.dataset.off = value === 0 ? "yes" : "";
    };
    input.addEventListener("dblclick", () => { input.value = String(middle); say(); turn(); });
    return { name, off: middle, input, say, node: el("div", { class: "dial" }, el("span", { "aria-hidden": "true" }, low), input, el("span", { "aria-hidden": "true" }, high)) };
  });
  const node = el("div", { class: "dials", role: "group", "aria-label": "Dials" }, sliders.map((slider) => slider.node));
  function update(s) {
    for (const { name, off, input, say } of sliders) {
      input.value = String(s[name] ?? off);
      say();
    }
  }
  update(state());
  return { node, update };
}

/** Make the filters of `target`; `update(state, facets)` shows what they would leave. */
export function makeFilters() {
  const body = el("div", { class: "facets" });
  const count = el("span", { class: "count" });
  const node = el("details", { class: "filters" }, el("summary", {}, "Filters", count), body);

  function update(s, byTarget) {
    const on = s.filmGenres.length + s.songGenres.length + s.language.length + [s.year_min, s.year_max, s.rating_min, s.explicit].filter((value) => value !== null).length;
    count.textContent = on ? ` (${on} set)` : "";
    const media = Object.keys(byTarget);
    const parts = [];
    for (const target of media) {
      const facets = byTarget[target];
      const own = target === "movies" ? "filmGenres" : "songGenres";
      parts.push(choices(media.length > 1 ? (target === "movies" ? "Film genres" : "Song genres") : "Genres", facets?.genres, s[own], (values) => change({ [own]: values })));
      if (target === "movies") parts.push(choices("Languages", facets?.languages, s.language, (values) => change({ language: values }), (code) => nameOf(code)));
    }
    parts.push(decades(s, byTarget));
    if (media.includes("movies")) parts.push(rating(s));
    if (media.includes("tracks")) parts.push(explicit(s));
    if (on) parts.push(el("button", { type: "button", class: "quiet", onclick: () => change({ filmGenres: [], songGenres: [], language: [], year_min: null, year_max: null, rating_min: null, explicit: null }) }, "Take all filters away"));
    const held = document.activeElement?.id;
    fill(body, parts);
    if (held && body.querySelector(`#${CSS.escape(held)}`)) body.querySelector(`#${CSS.escape(held)}`).focus();
  }
  return { node, update };
}

function nameOf(code) {
  try {
    return languageNames.of(code) ?? code;
  } catch {
    return code;
  }
}

function choices(title, counts, chosen, set, show = (name) => name) {
  const names = [...new Set([...chosen, ...Object.keys(counts ?? {}).slice(0, MOST_FACETS)])];
  if (!names.length) return null;
  return el("fieldset", {}, el("legend", {}, title), names.map((name) => el("label", { class: "facet" },
    el("input", { type: "checkbox", id: `facet-${title}-${name}`.replace(/\W+/g, "-"), checked: chosen.includes(name), onchange: (event) => set(event.target.checked ? [...chosen, name] : chosen.filter((other) => other !== name)) }),
    el("span", {}, show(name), counts?.[name] ? el("small", {}, counts[name].toLocaleString("en")) : null))));
}

function decades(s, byTarget) {
  const counts = {};
  for (const facets of Object.values(byTarget)) for (const [decade, count] of Object.entries(facets?.decades ?? {})) counts[decade] = (counts[decade] ?? 0) + count;
  const known = Object.keys(counts).map(Number).sort((a, b) => a - b);
  if (!known.length && s.year_min === null && s.year_max === null) return null;
  const most = Math.max(1, ...Object.values(counts));
  const is = (decade) => s.year_min !== null && s.year_max !== null && decade >= s.year_min && decade + 9 <= s.year_max;
  const pick = (decade) => {
    if (is(decade) && s.year_min === decade && s.year_max === decade + 9) change({ year_min: null, year_max: null });
    else change({ year_min: decade, year_max: decade + 9 });
  };
  return el("fieldset", {}, el("legend", {}, "Decade"), el("div", { class: "decades" }, known.map((decade) => el("button", {
    type: "button", class: "decade", id: `decade-${decade}`, "aria-pressed": String(is(decade)), title: `${decade}s: ${counts[decade].toLocaleString("en")}`, style: { "--height": String(counts[decade] / most) }, onclick: () => pick(decade),
  }, el("span", {}, `${decade}s`)))),
  el("div", { class: "years" },
    year("from", "From", s.year_min, (value) => change({ year_min: value })),
    year("to", "to", s.year_max, (value) => change({ year_max: value }))));
}

function year(id, label, value, set) {
  return el("label", {}, `${label} `, el("input", { type: "number", id: `year-${id}`, min: "1870", max: "2100", inputmode: "numeric", value: value === null ? "" : String(value), onchange: (event) => set(event.target.value ? Number(event.target.value) : null) }));
}

function rating(s) {
  const shown = s.rating_min ?? 0;
  return el("fieldset", {}, el("legend", {}, "Rated at least"), el("label", { class: "rated" },
    el("input", { type: "range", id: "rated", min: "0", max: "9", step: "0.5", value: String(shown), "aria-label": "rated at least", onchange: (event) => change({ rating_min: Number(event.target.value) || null }) }),
    el("output", {}, shown ? shown.toFixed(1) : "any")));
}

function explicit(s) {
  const options = [["", "All"], ["no", "Not explicit"], ["yes", "Explicit"]];
  const now = s.explicit === null ? "" : s.explicit ? "yes" : "no";
  return el("fieldset", {}, el("legend", {}, "Lyrics"), el("select", { id: "explicit", "aria-label": "explicit lyrics", onchange: (event) => change({ explicit: { yes: true, no: false }[event.target.value] ?? null }) },
    options.map(([value, name]) => el("option", { value, selected: value === now }, name))));
}
