// All films and songs as points: what lies near feels alike, and films lie among the songs that match them.

import { lookUp, mapItems, mapLegend, mapPlaces, mapPoints, matches, Refused, search } from "../api.js";
import { announce, debounce, el, fill, icon } from "../dom.js";
import { artwork, detailsOf, facts, kind, more, note, scoreBar } from "../items.js";
import { change, isAsked, state, toBody } from "../state.js";
import { colour, COLOURINGS } from "./map_colours.js";
import { makeDrawing } from "./map_draw.js";
import { makeMoves } from "./map_moves.js";
import { drawOverlay } from "./map_overlay.js";
import { extent, mediumOf, near, nearest, readPoints } from "./map_points.js";

const LIT = 40;
const TIES = 12;
const NEAR = 10;
const REACH_PX = 14;

export function make() {
  loadStyle();
  const canvas = el("canvas", { class: "map-points", "aria-hidden": "true" });
  const over = el("canvas", { class: "map-over", tabindex: "0", role: "application", "aria-label": "Map of films and songs. Arrow keys move, plus and minus zoom, 0 shows all, Enter chooses what is in the middle.", "aria-describedby": "map-near" });
  const tip = el("div", { class: "map-tip", hidden: true });
  const round = (name, label, run) => el("button", { type: "button", class: "round", "aria-label": label, title: label.toLowerCase(), onclick: run }, name === "map-all" ? whole() : icon(name));
  const frame = el("div", { class: "map-frame" }, canvas, over, tip,
    el("div", { class: "map-zoom" }, round("plus", "Zoom in", () => moves.zoomAt(1.7)), round("minus", "Zoom out", () => moves.zoomAt(1 / 1.7)), round("map-all", "Show all", () => moves.goHome())));
  const by = el("fieldset", { class: "toggle" }, el("legend", { class: "unseen" }, "Colour by"), COLOURINGS.map(([value, name]) => el("label", {},
    el("input", { type: "radio", name: "map-by", value, onchange: () => change({ by: value }, true) }), el("span", {}, name))));
  const field = el("input", { type: "search", id: "map-find", autocomplete: "off", placeholder: "Light up a title or an artist", maxlength: "200" });
  const find = el("form", { class: "map-find", role: "search", onsubmit: (event) => { event.preventDefault(); light(true); } }, el("label", { for: "map-find", class: "unseen" }, "Light up a title or an artist"), field);
  const key = el("ul", { class: "map-key", "aria-label": "What the colours mean; press one to see it alone" });
  const chosenBox = el("section", { class: "map-chosen", "aria-live": "polite" });
  const nearList = el("ul", { class: "map-list", id: "map-near" });
  const panel = el("aside", { class: "map-panel" }, chosenBox, el("section", {}, el("h2", {}, "In the middle"), nearList));
  const node = el("div", { class: "view map-view" }, el("div", { class: "controls map-controls" }, by, find), key, el("div", { class: "map-body" }, frame, panel));

  const scene = { lit: [], own: [], chosen: null, ties: [], names: new Map(), marks: [] };
  const wanted = { found: [], answers: [] };
  let points = null;
  let legend = null;
  let drawing = null;
  let painted = { codes: null, palette: [], entries: [] };
  let alone = null;
  let dirty = 0;
  let loading = null;
  let running = null;
  let finding = null;
  let litFor = "";
  let looking = null;
  let lastAsked = "";
  let hovered = null;
  const brush = over.getContext("2d");
  const moves = makeMoves(over, { changed, point: press, hover });

  /** Fetch the map once; what goes wrong is said in its place. */
  function load() {
    loading ??= (async () => {
      let [buffer, told] = await Promise.all([mapPoints(), mapLegend()]);
      let read = readPoints(buffer);
      if (read.version !== told.index_version) {
        // Another version was published between the two; now both are of the new one.
        [buffer, told] = await Promise.all([mapPoints(), mapLegend()]);
        read = readPoints(buffer);
      }
      points = read;
      legend = told;
      for (const mark of legend.landmarks) scene.names.set(mark.point, mark.title);
      scene.marks = legend.landmarks.map((mark) => mark.point);
      Object.assign(moves.home, extent(points));
      drawing = makeDrawing(canvas, points);
      frame.dataset.drawn = drawing.kind;
      paint();
      new ResizeObserver(resize).observe(frame);
      resize();
      draw();
      performance.mark("map-ready");
      look();
    })();
    return loading;
  }

  function resize() {
    if (!drawing) return;
    moves.resize();
    const { width, height, ratio } = moves.view;
    for (const layer of [canvas, over]) {
      layer.width = Math.round(width * ratio);
      layer.height = Math.round(height * ratio);
    }
    draw();
  }

  function changed() {
    if (!drawing) return;
    if (!dirty) dirty = requestAnimationFrame(draw);
    look();
  }

  function draw() {
    cancelAnimationFrame(dirty);
    dirty = 0;
    drawing.draw(moves.view);
    drawOverlay(brush, moves.view, points, scene, inks);
  }

  let inks = {};
  let ground = "light";
  function paint() {
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue(`--${name}`).trim();
    inks = { ink: ink("ink"), soft: ink("ink"), paper: ink("card"), accent: ink("accent"), font: getComputedStyle(document.body).fontFamily };
    ground = style.colorScheme.includes("dark") ? "dark" : "light";
    painted = colour(points, legend, state().by, ground);
    alone = null;
    fill(key, painted.entries.map((entry, number) => el("li", {}, el("button", { type: "button", class: "map-entry", "aria-pressed": "false", dataset: { number, medium: entry.medium || "" }, onclick: () => isolate(number) },
      el("span", { class: "map-swatch", style: { "--swatch": entry.colour } }), entry.name))));
    tint();
  }

  function isolate(number) {
    alone = alone === number ? null : number;
    for (const button of key.querySelectorAll("button")) button.setAttribute("aria-pressed", String(Number(button.dataset.number) === alone));
    tint();
    changed();
  }

  function tint() {
    const kept = alone === null ? null : new Set(painted.entries[alone].codes);
    const full = ground === "dark" ? 0.85 : 0.8;
    drawing.colour(painted.codes, painted.palette.map((rgb, code) => [...rgb, kept && !kept.has(code) ? 0.05 : full]));
  }

  const place = (x, y) => {
    const { view } = moves;
    return [((x - view.width / 2) / view.scale + view.x) * 65535, ((y - view.height / 2) / view.scale + view.y) * 65535];
  };
  const visible = (point) => alone === null || painted.entries[alone].codes.includes(painted.codes[point]);
  const under = (x, y) => near(points, ...place(x, y), (REACH_PX / moves.view.scale) * 65535, 1, visible)[0] ?? null;

  const ask = debounce(async (point) => {
    if (point !== hovered || point === null) return;
    try {
      const [item] = await mapItems([point], points.version);
      if (point !== hovered) return;
      fill(tip, el("b", {}, item.title), el("small", {}, facts(item.medium, item)), el("small", { class: "kind" }, kind(item.medium)));
      tip.hidden = false;
    } catch {
      tip.hidden = true;
    }
  }, 60);

  function hover(x, y) {
    if (!drawing) return;
    const point = x === null ? null : under(x, y);
    over.dataset.on = point === null ? "" : "point";
    if (point !== hovered) tip.hidden = true;
    hovered = point;
    if (point === null) return;
    const right = x > moves.view.width - 260;
    tip.style.setProperty("transform", `translate(${Math.round(x)}px, ${Math.round(y)}px) translate(${right ? "calc(-100% - 14px)" : "14px"}, 14px)`);
    ask(point);
  }

  function press(x, y, middle = false) {
    if (!drawing) return;
    if (x === null) return choose(null);
    const point = middle ? nearest(points, ...place(x, y), 1, visible)[0] : under(x, y);
    if (point !== null && point !== undefined) choose(point);
    else if (!middle) choose(null);
  }

  /** Show an item, and lines to what matches it in the other medium. */
  async function choose(point) {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    Object.assign(scene, { chosen: point, ties: [] });
    node.dataset.chosen = point === null ? "" : "yes";
    changed();
    if (point === null) return void fill(chosenBox);
    try {
      const [item] = await mapItems([point], points.version, signal);
      const medium = mediumOf(points, point);
      scene.names.set(point, item.title);
      const list = el("ol", { class: "map-list" }, el("li", { class: "facts" }, "Looking for matches…"));
      showChosen(medium, item, list);
      changed();
      const answer = await matches(medium, item.id, TIES, signal);
      const target = medium === "movies" ? "tracks" : "movies";
      const places = await mapPlaces({ [target]: answer.results.map((hit) => hit.id) }, signal);
      if (signal.aborted) return;
      scene.ties = answer.results.flatMap((hit, number) => (places[target][number] === null ? [] : [{ point: places[target][number], score: hit.score }]));
      answer.results.forEach((hit, number) => scene.names.set(places[target][number], hit.title));
      fill(list, answer.results.map((hit, number) => el("li", {}, row(target, hit, () => go(places[target][number]), hit.score))));
      announce(`${item.title}: ${answer.results.length} ${target === "movies" ? "films" : "songs"} that match`);
      changed();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      note(chosenBox, "That did not work", error.message, el("button", { type: "button", onclick: () => choose(point) }, "Try again"));
    }
  }

  function showChosen(medium, item, list) {
    const details = el("details", {}, el("summary", {}, "More about it"));
    details.addEventListener("toggle", () => { if (details.open && details.children.length === 1) details.append(detailsOf(medium, item)); });
    fill(chosenBox, el("div", { class: "map-card" }, artwork(medium, item), el("div", { class: "told" },
      el("h2", {}, item.title), el("p", { class: "facts" }, `${kind(medium)} · ${facts(medium, item)}`),
      el("div", { class: "row" }, el("button", { type: "button", onclick: () => more(medium, item.id) }, "Search with this"), el("button", { type: "button", class: "quiet", onclick: () => { choose(null); over.focus(); } }, "Close")))),
    details, el("h3", {}, medium === "movies" ? "Songs that match" : "Films that match"), list);
  }

  const row = (medium, item, run, score) => el("button", { type: "button", class: "map-row", onclick: run }, artwork(medium, item),
    el("span", { class: "name" }, el("b", {}, item.title), el("small", {}, facts(medium, item))), score === undefined ? el("span", { class: "kind" }, kind(medium)) : scoreBar(score));

  function go(point) {
    if (point === null) return;
    moves.fly(points.x[point] / 65535, points.y[point] / 65535, Math.max(moves.view.zoom, 8));
    choose(point);
  }

  /** List what is in the middle, for those who read rather than look. */
  const look = debounce(async () => {
    if (!node.isConnected || !points) return;
    looking?.abort();
    looking = new AbortController();
    const { signal } = looking;
    try {
      const found = nearest(points, moves.view.x * 65535, moves.view.y * 65535, NEAR, visible);
      const items = found.length ? await mapItems(found, points.version, signal) : [];
      if (signal.aborted) return;
      fill(nearList, items.map((item) => el("li", {}, row(item.medium, item, () => choose(item.point)))));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      if (error.status === 409) return again();
      fill(nearList, el("li", { class: "facts" }, error.message));
    }
  }, 350);

  /** Another version answers now: its points are others. */
  function again() {
    note(nearList, "The catalogue changed", "A new version is served since the map was drawn.", el("button", { type: "button", onclick: () => location.reload() }, "Draw it again"));
  }

  /** Light up what has this title or artist, and go to the first where asked to. */
  async function light(goes = false) {
    const q = field.value.trim();
    // What was typed last is looked for already where Enter came before the pause was over.
    if (!goes && q === litFor) return;
    litFor = q;
    finding?.abort();
    finding = new AbortController();
    const { signal } = finding;
    wanted.found = [];
    if (q && points) {
      try {
        const found = await Promise.all(["movies", "tracks"].map((medium) => lookUp(medium, q, LIT / 2, signal)));
        const places = await mapPlaces({ movies: found[0].map((item) => item.id), tracks: found[1].map((item) => item.id) }, signal);
        if (signal.aborted) return;
        const all = ["movies", "tracks"].flatMap((medium, which) => found[which].map((item, number) => ({ point: places[medium][number], item })));
        all.sort((a, b) => b.item.score - a.item.score);
        wanted.found = all.filter((one) => one.point !== null && one.item.score >= 0.5).map((one) => one.point);
        for (const one of all) scene.names.set(one.point, one.item.title);
        announce(`${wanted.found.length} lit up`);
        if (goes && wanted.found.length) go(wanted.found[0]);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Refused)) throw error;
        announce(error.message);
      }
    }
    merge();
  }
  const lightSoon = debounce(() => light(), 200);
  field.addEventListener("input", lightSoon);

  function merge() {
    scene.lit = [...new Set([...wanted.found, ...wanted.answers])];
    changed();
  }

  /** Ring what is chosen, and what answers it. */
  async function mark(s) {
    const asked = JSON.stringify([s.movies, s.tracks, s.text, s.notMovies, s.notTracks, s.notText, s.sound, s.target]);
    if (asked === lastAsked) return;
    lastAsked = asked;
    const places = await mapPlaces({ movies: s.movies.slice(0, 50), tracks: s.tracks.slice(0, 50) });
    scene.own = [...places.movies, ...places.tracks].filter((point) => point !== null);
    wanted.answers = [];
    merge();
    if (scene.own.length) for (const item of await mapItems(scene.own.slice(0, 50), points.version)) scene.names.set(item.point, item.title);
    if (isAsked(s)) {
      const answers = await Promise.all(["movies", "tracks"].map((target) => search(toBody(s, target, { limit: LIT / 2, explain: false }))));
      const found = await mapPlaces({ movies: answers[0].results.map((hit) => hit.id), tracks: answers[1].results.map((hit) => hit.id) });
      if (asked !== lastAsked) return;
      wanted.answers = [...found.movies, ...found.tracks].filter((point) => point !== null);
      answers.forEach((answer, which) => answer.results.forEach((hit, number) => scene.names.set(found[which ? "tracks" : "movies"][number], hit.title)));
    }
    merge();
  }

  function repaint() {
    if (!drawing) return;
    paint();
    changed();
  }
  new MutationObserver(repaint).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

  let shownBy = null;
  async function update(s) {
    const colouring = COLOURINGS.some(([value]) => value === s.by) ? s.by : "";
    for (const input of by.querySelectorAll("input")) input.checked = input.value === colouring;
    try {
      await load();
      if (shownBy !== null && shownBy !== s.by) repaint();
      shownBy = s.by;
      await mark(s);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (points) return void announce(error.message);
      loading = null;
      const without = error.status === 404;
      note(node, without ? "Built without a map" : "That did not work", without ? "This index version has no map. One that is built now will have one." : error.message,
        without ? null : el("button", { type: "button", onclick: () => location.reload() }, "Try again"));
    }
  }
  return { node, update, title: "Map" };
}

/** Four corners: the whole of it. */
function whole() {
  const drawn = el("svg", { class: "icon", "aria-hidden": "true", viewBox: "0 0 24 24" });
  drawn.append(el("path", { d: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" }));
  return drawn;
}

function loadStyle() {
  if (document.querySelector('link[href$="map.css"]')) return;
  document.head.append(el("link", { rel: "stylesheet", href: new URL("../map.css", import.meta.url).pathname }));
}
