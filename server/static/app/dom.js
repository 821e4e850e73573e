// Builds elements without innerHTML: what people and catalogues write stays text.

/** Make an element. `props`: attributes, `on…` listeners, `dataset`, `class`; null and false are left out. */
export function el(tag, props = {}, ...children) {
  const node = tag === "svg" || tag === "use" || tag === "path"
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "style") for (const [key, to] of Object.entries(value)) node.style.setProperty(key, to);
    else if (name === "checked" || name === "value" || name === "indeterminate") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Replace what a node holds. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter(Boolean));
  return node;
}

/** Say something to those who listen rather than look. */
export function announce(text) {
  document.getElementById("spoken").textContent = text;
}

/** Say something in passing at the foot of the page. */
export function toast(text) {
  const place = document.getElementById("toast");
  place.textContent = text;
  place.dataset.shown = "yes";
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { place.dataset.shown = ""; }, 4000);
}

/** Call `run` once things have been quiet for `wait_ms`; `cancel` forgets a call that still waits. */
export function debounce(run, wait_ms) {
  let timer = 0;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), wait_ms);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** A drawing from the sheet of icons in the page. */
export function icon(name) {
  const node = el("svg", { class: "icon", "aria-hidden": "true", viewBox: "0 0 24 24" });
  node.append(el("use", { href: `#icon-${name}` }));
  return node;
}
