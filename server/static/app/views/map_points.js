// The points of the map as the server sends them, and which of them lies where.

const CELLS = 256;
const CELL = 65536 / CELLS;

/** Read the server's columns. x and y: 0 … 65,535; films come before songs. */
export function readPoints(buffer) {
  const head = new DataView(buffer);
  if (head.byteLength < 16 || head.getUint32(0, true) !== 0x31504d53) throw new Error("The map was sent in a form that this page does not know.");
  const films = head.getUint32(4, true);
  const songs = head.getUint32(8, true);
  const named = head.getUint32(12, true);
  const count = films + songs;
  const version = new TextDecoder().decode(new Uint8Array(buffer, 16, named)).replaceAll("\0", "");
  let at = 16 + named;
  const take = (Kind) => {
    const column = new Kind(buffer, at, count);
    at += column.byteLength;
    return column;
  };
  const points = { version, films, songs, count, x: take(Uint16Array), y: take(Uint16Array), genre: take(Uint8Array), valence: take(Uint8Array), arousal: take(Uint8Array) };
  return { ...points, ...sort(points) };
}

/** Points by the cell of a grid: those of cell c are order[starts[c]] … order[starts[c + 1] - 1]. */
function sort({ x, y, count }) {
  const starts = new Uint32Array(CELLS * CELLS + 1);
  const cells = new Uint16Array(count);
  for (let point = 0; point < count; point++) {
    cells[point] = (y[point] >> 8) * CELLS + (x[point] >> 8);
    starts[cells[point] + 1]++;
  }
  for (let cell = 0; cell < CELLS * CELLS; cell++) starts[cell + 1] += starts[cell];
  const next = starts.slice();
  const order = new Uint32Array(count);
  for (let point = 0; point < count; point++) order[next[cells[point]]++] = point;
  return { starts, order };
}

/** Points within `reach` of a place, nearest first, at most `most`; `fits(point)` may leave some out. */
export function near(points, x, y, reach, most, fits = () => true) {
  const found = [];
  const low = (value) => Math.max(0, Math.min(CELLS - 1, Math.floor((value - reach) / CELL)));
  const high = (value) => Math.max(0, Math.min(CELLS - 1, Math.floor((value + reach) / CELL)));
  for (let row = low(y); row <= high(y); row++) {
    for (let cell = row * CELLS + low(x); cell <= row * CELLS + high(x); cell++) {
      for (let place = points.starts[cell]; place < points.starts[cell + 1]; place++) {
        const point = points.order[place];
        const far = Math.hypot(points.x[point] - x, points.y[point] - y);
        if (far <= reach && fits(point)) found.push([far, point]);
      }
    }
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, most).map(([, point]) => point);
}

/** The `most` points nearest to a place, however far. */
export function nearest(points, x, y, most, fits) {
  let found = [];
  for (let reach = CELL / 2; reach < 131072 && found.length < Math.min(most, points.count); reach *= 2) found = near(points, x, y, reach, most, fits);
  return found;
}

/** The middle and the sides of where all but a few points are, in shares of the map. */
export function extent(points) {
  const ends = (column) => {
    const sorted = column.slice().sort();
    const at = (share) => sorted[Math.round(share * (points.count - 1))] / 65535;
    return [at(0.002), at(0.998)];
  };
  const [[left, right], [top, bottom]] = [ends(points.x), ends(points.y)];
  return { x: (left + right) / 2, y: (top + bottom) / 2, wide: Math.max(0.02, right - left), high: Math.max(0.02, bottom - top) };
}

export const mediumOf = (points, point) => (point < points.films ? "movies" : "tracks");
