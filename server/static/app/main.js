// Puts the page together: the field, the tray, and the view that the address names.

import { makeAsk } from "./ask.js";
import { el, fill } from "./dom.js";
import { note } from "./items.js";
import { onChange, state, VIEWS, change } from "./state.js";
import { makeTray } from "./tray.js";

const stage = document.getElementById("stage");
const nav = document.getElementById("views");
const made = new Map();
let current = "";
let pending = null;

const ask = makeAsk(async (what) => (await open("search")).tell?.(what));
const tray = makeTray();
fill(document.getElementById("asking"), ask.form, tray.node, tray.said);

for (const name of VIEWS) {
  nav.append(el("a", { href: `?view=${name}`, dataset: { view: name }, onclick: (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    change({ view: name });
  } }, name[0].toUpperCase() + name.slice(1)));
}

/** The view of this name, loaded when it is first wanted. */
function open(name) {
  if (!made.has(name)) made.set(name, import(`./views/${name}.js`).then((module) => module.make()));
  return made.get(name);
}

async function show(s) {
  for (const link of nav.children) {
    if (link.dataset.view === s.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const trayed = tray.update(s);
  pending = s;
  let view;
  try {
    view = await open(s.view);
  } catch {
    // What a browser makes of a module that failed once differs; to load the page again helps in all of them.
    made.delete(s.view);
    if (pending !== s) return;
    current = "";
    note(stage, "This view could not be loaded", "The server could not be reached. Is it still running?", el("button", { type: "button", onclick: () => location.reload() }, "Try again"));
    return;
  }
  if (pending !== s) return;
  if (current !== s.view) {
    (await made.get(current))?.leave?.();
    fill(stage, view.node);
    stage.dataset.view = s.view;
    current = s.view;
    document.title = s.view === "search" ? "Segue" : `${view.title} · Segue`;
  }
  await Promise.all([trayed, view.update(s)]);
  document.body.dataset.ready = "yes";
}

const theme = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  const isDark = name ? name === "dark" : dark.matches;
  theme.setAttribute("aria-pressed", String(isDark));
}
setTheme(localStorage.getItem("segue-theme") ?? "");
theme.addEventListener("click", () => {
  const next = theme.getAttribute("aria-pressed") === "true" ? "light" : "dark";
  localStorage.setItem("segue-theme", next);
  setTheme(next);
});

document.querySelector(".home").addEventListener("click", (event) => {
  if (event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  history.pushState(null, "", location.pathname);
  dispatchEvent(new PopStateEvent("popstate"));
  ask.field.focus();
});

onChange(show);
show(state());
