// The one field: titles with suggestions, a mood in words, a pasted playlist, a dropped audio file.

import { audio, lookUp, playlist, Refused } from "./api.js";
import { announce, debounce, el, fill, icon } from "./dom.js";
import { artwork, facts, kind } from "./items.js";
import { change, state } from "./state.js";

const WAIT_MS = 40;
const SHOWN = 5;
// Heard too unsurely to search by; the server leaves them out as well.
const UNSURE = ["instrumentalness", "liveness"];
const SOUNDS = /\.(mp3|ogg|oga|wav|flac)$/i;

/** Make the field. `tell` gets a node about what was read of a playlist or a sound. */
export function makeAsk(tell) {
  const list = el("ul", { id: "suggestions", role: "listbox", "aria-label": "Suggestions", hidden: true });
  const field = el("input", {
    id: "ask", type: "text", role: "combobox", "aria-expanded": "false", "aria-controls": "suggestions",
    "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false", maxlength: "2000", enterkeyhint: "search",
    placeholder: "A song, a film, or a mood: neon rain, lonely, slow",
  });
  const file = el("input", { type: "file", id: "sound-file", class: "unseen", accept: "audio/*,.mp3,.ogg,.wav,.flac", tabindex: "-1", "aria-hidden": "true" });
  const form = el("form", { class: "ask", role: "search" },
    el("label", { for: "ask", class: "unseen" }, "A song, a film, or a mood in words"),
    icon("search"), field,
    el("button", { type: "button", class: "round", "aria-label": "Paste a playlist", title: "paste a playlist", onclick: openPaste }, icon("list")),
    el("button", { type: "button", class: "round", "aria-label": "Read an audio file", title: "read an audio file", onclick: () => file.click() }, icon("sound")),
    file, list);
  let options = [];
  let active = -1;
  let running = null;
  let asked = "";

  const suggest = debounce(look, WAIT_MS);

  async function look() {
    const q = field.value.trim();
    running?.abort();
    if (!q) return close();
    running = new AbortController();
    const { signal } = running;
    try {
      const [movies, tracks] = await Promise.all([lookUp("movies", q, SHOWN, signal), lookUp("tracks", q, SHOWN, signal)]);
      if (signal.aborted) return;
      asked = q;
      const found = [...movies.map((item) => ({ medium: "movies", item })), ...tracks.map((item) => ({ medium: "tracks", item }))];
      found.sort((a, b) => b.item.score - a.item.score);
      // What was reached by arrow keys meanwhile stays reached.
      const held = options[active]?.item;
      options = [...found.slice(0, 8), { text: q }];
      active = held ? options.findIndex((option) => option.item?.id === held.id) : -1;
      draw();
    } catch (error) {
      if (!signal.aborted) {
        fill(list, el("li", { class: "refused", role: "option", "aria-disabled": "true" }, error.message));
        list.hidden = false;
      }
    }
  }

  function draw() {
    fill(list, options.map((option, number) => el("li", {
      id: `option-${number}`, role: "option", "aria-selected": String(number === active),
      onpointerdown: (event) => { event.preventDefault(); choose(number); },
    }, option.item
      ? [artwork(option.medium, option.item), el("span", { class: "name" }, el("b", {}, option.item.title), el("small", {}, facts(option.medium, option.item))), el("span", { class: "kind" }, kind(option.medium))]
      : [el("div", { class: "art words" }, icon("words")), el("span", { class: "name" }, el("b", {}, `“${option.text}”`), el("small", {}, "as a mood, in words")), el("span", { class: "kind" }, "mood")])));
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    if (active >= 0) field.setAttribute("aria-activedescendant", `option-${active}`);
    else field.removeAttribute("aria-activedescendant");
    announce(active < 0 ? `${options.length} suggestions` : "");
  }

  function close() {
    options = [];
    active = -1;
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function choose(number) {
    const option = options[number];
    running?.abort();
    field.value = "";
    close();
    if (option.text !== undefined) change({ text: option.text, view: "search" });
    else {
      const own = option.medium;
      change({ [own]: [...new Set([...state()[own], option.item.id])], view: "search" });
    }
  }

  field.addEventListener("input", suggest);
  field.addEventListener("blur", () => setTimeout(close, 100));
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!options.length) return void suggest();
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      active = (active + step + options.length + (active < 0 && step < 0 ? 1 : 0)) % options.length;
      draw();
      document.getElementById(`option-${active}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Escape") {
      close();
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const q = field.value.trim();
    if (!q) return;
    if (active >= 0) return choose(active);
    suggest.cancel();
    if (asked !== q) await look();
    if (field.value.trim() !== q) return;
    // A title that is meant beyond doubt is taken as one; all else is a mood.
    const sure = asked === q ? options.find((option) => option.item && same(option.item.title, q)) : null;
    if (sure) return choose(options.indexOf(sure));
    options = [{ text: q }];
    choose(0);
  });
  field.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text.trim().split(/\r?\n/).length > 1) {
      event.preventDefault();
      readPlaylist(text);
    }
  });
  file.addEventListener("change", () => file.files[0] && readFile(file.files[0]));

  async function readPlaylist(text) {
    tell(el("div", { class: "note quiet" }, el("p", {}, "Reading the playlist …")));
    try {
      const read = await playlist(text, "movies");
      const ids = read.resolved.map((line) => line.id);
      change({ tracks: [...new Set([...state().tracks, ...ids])].slice(0, 50), view: "search" });
      tell(toldOf(read));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      tell(el("div", { class: "note error", role: "alert" }, el("p", {}, error.message)));
    }
  }

  async function readFile(chosen) {
    if (!SOUNDS.test(chosen.name) && !chosen.type.startsWith("audio/")) {
      return void readPlaylist(await chosen.text());
    }
    tell(el("div", { class: "note quiet" }, el("p", {}, `Listening to ${chosen.name} …`)));
    try {
      const heard = await audio(chosen);
      change({ sound: { name: chosen.name, features: surely(heard.audio) }, view: "search" });
      tell(el("div", { class: "note quiet" }, el("p", {}, `${chosen.name} was listened to. What was heard is an estimate, made from the sound alone.`)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      tell(el("div", { class: "note error", role: "alert" }, el("p", {}, error.message)));
    }
  }

  function openPaste() {
    const area = el("textarea", { rows: "10", "aria-label": "Songs, one a line", placeholder: "Nina Simone – Feeling Good\nMassive Attack – Teardrop\n…" });
    const box = el("dialog", { class: "paste", "aria-label": "Paste a playlist" },
      el("form", { method: "dialog" },
        el("h2", {}, "Paste a playlist"),
        el("p", {}, "One song a line, as “artist – title”; or the text of a CSV or M3U file. You can also drop a file on the page."),
        area,
        el("div", { class: "row" }, el("button", { value: "cancel", class: "quiet" }, "Cancel"), el("button", { value: "read" }, "Find its films"))));
    box.addEventListener("close", () => {
      if (box.returnValue === "read" && area.value.trim()) readPlaylist(area.value);
      box.remove();
    });
    document.body.append(box);
    box.showModal();
    area.focus();
  }

  for (const type of ["dragover", "drop"]) {
    document.addEventListener(type, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      document.body.dataset.dropping = type === "dragover" ? "yes" : "";
      if (type === "drop" && event.dataTransfer.files[0]) readFile(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("dragleave", () => { document.body.dataset.dropping = ""; });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      field.focus();
    }
  });
  return { form, field };
}

function surely({ features, tempo, loudness }) {
  const heard = Object.entries({ ...features, tempo, loudness });
  return Object.fromEntries(heard.filter(([name, value]) => Number.isFinite(value) && !UNSURE.includes(name)));
}

const plain = (text) => text.normalize("NFKD").replace(/[^\p{L}\p{N}]+/gu, " ").trim().toLowerCase();
const same = (a, b) => plain(a) === plain(b);

function toldOf(read) {
  const missing = read.unresolved;
  return el("div", { class: "note quiet" },
    el("p", {}, `${read.resolved.length} of ${read.resolved.length + missing.length} songs were found${read.duplicates ? `; ${read.duplicates} stood there twice` : ""}.`),
    missing.length ? el("details", {}, el("summary", {}, `${missing.length} not found`),
      el("ul", { class: "unresolved" }, missing.map((line) => el("li", {}, el("span", {}, line.text),
        line.candidates.slice(0, 3).map((near) => el("button", { type: "button", class: "chip", onclick: () => change({ tracks: [...new Set([...state().tracks, near.id])] }) }, `${near.title} · ${near.artists?.[0] ?? ""}`)))))) : null);
}
