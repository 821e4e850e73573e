// Moving about: drag, wheel, two fingers, keys. Changes the view and tells of it.

const MOST_ZOOM = 600;
const MARGIN = 0.94;

/** Make what moves the view of `canvas`. Told: changed() on every move, point(x, y) on a press, hover(x, y | null). */
export function makeMoves(canvas, told) {
  const view = { x: 0.5, y: 0.5, zoom: 1, width: 1, height: 1, ratio: 1, scale: 1 };
  /** What is shown at first: the middle and the sides of where the points are, in shares of the map. */
  const home = { x: 0.5, y: 0.5, wide: 1, high: 1, seen: false };
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const fingers = new Map();
  let moved = 0;
  let flight = 0;

  function settle() {
    view.zoom = Math.min(MOST_ZOOM, Math.max(0.7, view.zoom));
    view.scale = Math.min(view.width, view.height) * MARGIN * view.zoom;
    view.x = Math.min(1, Math.max(0, view.x));
    view.y = Math.min(1, Math.max(0, view.y));
    told.changed();
  }
  /** Zoom by a factor and keep the place under (x, y) where it is. */
  function zoomAt(factor, x = view.width / 2, y = view.height / 2) {
    const before = view.scale;
    const zoom = Math.min(MOST_ZOOM, Math.max(0.7, view.zoom * factor));
    const after = (before * zoom) / view.zoom;
    view.x += (x - view.width / 2) * (1 / before - 1 / after);
    view.y += (y - view.height / 2) * (1 / before - 1 / after);
    view.zoom = zoom;
    settle();
  }
  function shift(x, y) {
    view.x -= x / view.scale;
    view.y -= y / view.scale;
    settle();
  }
  /** Go to a place: at once where motion is unwelcome. */
  function fly(x, y, zoom = view.zoom) {
    cancelAnimationFrame(flight);
    const from = { x: view.x, y: view.y, zoom: Math.log(view.zoom) };
    const start = performance.now();
    const step = (now) => {
      const share = still.matches ? 1 : Math.min(1, Math.max(0, (now - start) / 450));
      const eased = 1 - (1 - share) ** 3;
      view.x = from.x + (x - from.x) * eased;
      view.y = from.y + (y - from.y) * eased;
      view.zoom = Math.exp(from.zoom + (Math.log(zoom) - from.zoom) * eased);
      settle();
      if (share < 1) flight = requestAnimationFrame(step);
    };
    step(still.matches ? Infinity : start);
  }
  function resize() {
    const box = canvas.getBoundingClientRect();
    Object.assign(view, { width: Math.max(1, box.width), height: Math.max(1, box.height), ratio: Math.min(2, devicePixelRatio || 1) });
    if (!home.seen && view.width > 1) {
      home.seen = true;
      Object.assign(view, { x: home.x, y: home.y, zoom: homeZoom() });
    }
    settle();
  }
  const homeZoom = () => Math.min(view.width / home.wide, view.height / home.high) / Math.min(view.width, view.height);
  const goHome = () => fly(home.x, home.y, homeZoom());
  const inside = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    cancelAnimationFrame(flight);
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, inside(event));
    if (fingers.size === 1) moved = 0;
    told.hover(null);
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = inside(event);
    const before = fingers.get(event.pointerId);
    if (!before) return told.hover(...now);
    const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    fingers.set(event.pointerId, now);
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (!others.length) return shift(now[0] - before[0], now[1] - before[1]);
    const [other] = others;
    const apart = (place) => Math.max(1, Math.hypot(place[0] - other[0], place[1] - other[1]));
    shift((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    zoomAt(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  });
  const lift = (event) => {
    if (fingers.delete(event.pointerId) && event.type === "pointerup" && moved < 6 && !fingers.size) told.point(...inside(event));
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => told.hover(null));
  canvas.addEventListener("dblclick", (event) => zoomAt(2, ...inside(event)));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 24 : 1;
    zoomAt(Math.exp(Math.max(-1, Math.min(1, -event.deltaY * lines * 0.0016))), ...inside(event));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const step = Math.min(view.width, view.height) / (event.shiftKey ? 3 : 10);
    const keys = {
      ArrowLeft: () => shift(step, 0), ArrowRight: () => shift(-step, 0), ArrowUp: () => shift(0, step), ArrowDown: () => shift(0, -step),
      "+": () => zoomAt(1.4), "=": () => zoomAt(1.4), "-": () => zoomAt(1 / 1.4), 0: goHome, Enter: () => told.point(view.width / 2, view.height / 2, true), Escape: () => told.point(null),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  return { view, home, zoomAt, shift, fly, goHome, resize };
}
