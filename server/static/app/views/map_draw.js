// Draws the points: by WebGL in three calls a frame; or pixel by pixel where there is no WebGL, or only an imitation by
// the processor, which takes a hundred times as long for a point as setting its few pixels here.

const VERTEX = `
attribute vec2 place; attribute float code;
uniform vec2 centre; uniform vec2 scale; uniform float size; uniform vec4 palette[32];
varying vec4 paint;
void main() {
  gl_Position = vec4((place - centre) * scale, 0.0, 1.0);
  gl_PointSize = size;
  paint = palette[int(code + 0.5)];
  if (paint.a < 0.004) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;
const FRAGMENT = `
precision mediump float;
varying vec4 paint; uniform float round;
void main() {
  vec2 from = gl_PointCoord - 0.5;
  if (round > 0.5 && dot(from, from) > 0.25) discard;
  gl_FragColor = vec4(paint.rgb * paint.a, paint.a);
}`;
const MOST_PIXELS = 4e6;
/** Points that fill a view at their least size. */
const ROOMY = 60000;

/** Something with `colour(codes, palette)` and `draw(view)` for these points. */
export function makeDrawing(canvas, points) {
  const gl = isWorthwhile() ? canvas.getContext("webgl", { antialias: false, alpha: true }) : null;
  return gl ? withGl(gl, points) : withCanvas(canvas.getContext("2d"), points);
}

/** Whether a graphics card draws; asked on a canvas of its own, since one that was asked for WebGL gives nothing else. */
function isWorthwhile() {
  const gl = document.createElement("canvas").getContext("webgl", { failIfMajorPerformanceCaveat: true });
  if (!gl) return false;
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  const name = told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : "";
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|software|basic render/i.test(name);
}

/** Sides of a point on the screen, in pixels of the canvas: growing slowly, so that near views are not all dots.

Few points are larger: they have the room, and would be lost otherwise. */
export function sizes(view, count) {
  const grown = Math.min(4, Math.sqrt(view.zoom) * Math.max(1, (ROOMY / count) ** 0.25));
  const start = Math.max(1.5, Math.min(2.2, view.width / 500)) * view.ratio;
  return { song: start * grown * 0.85, film: start * grown * 1.1 };
}

function withGl(gl, points) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "place");
  gl.bindAttribLocation(program, 1, "code");
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  const where = (name) => gl.getUniformLocation(program, name);
  const uniforms = { centre: where("centre"), scale: where("scale"), size: where("size"), palette: where("palette"), round: where("round") };
  const places = new Uint16Array(2 * points.count);
  for (let point = 0; point < points.count; point++) {
    places[2 * point] = points.x[point];
    places[2 * point + 1] = points.y[point];
  }
  const attach = (index, data, parts, kind, scaled) => {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(index);
    gl.vertexAttribPointer(index, parts, kind, scaled, 0, 0);
    return buffer;
  };
  attach(0, places, 2, gl.UNSIGNED_SHORT, true);
  // Four bytes a point would be read faster by some machines; one is enough for all that were tried.
  const codes = attach(1, new Uint8Array(points.count), 1, gl.UNSIGNED_BYTE, false);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);

  function draw(view) {
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniforms.centre, view.x, view.y);
    gl.uniform2f(uniforms.scale, (2 * view.scale) / view.width, (-2 * view.scale) / view.height);
    const size = sizes(view, points.count);
    // Films lie between two halves of the songs, so that neither medium hides the other.
    const half = points.songs >> 1;
    const dots = (from, count, side, isRound) => {
      gl.uniform1f(uniforms.round, isRound ? 1 : 0);
      gl.uniform1f(uniforms.size, side);
      gl.drawArrays(gl.POINTS, from, count);
    };
    dots(points.films, half, size.song, size.song > 3);
    dots(0, points.films, size.film, false);
    dots(points.films + half, points.songs - half, size.song, size.song > 3);
  }
  return {
    kind: "webgl",
    draw,
    colour(values, palette) {
      gl.bindBuffer(gl.ARRAY_BUFFER, codes);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      gl.uniform4fv(uniforms.palette, new Float32Array(128).map((_, place) => palette[place >> 2]?.[place & 3] ?? 0));
    },
  };
}

/** Squares for films, discs for songs: places of their pixels around the middle, as [x, y, x, y, …]. */
function stamp(side, isRound) {
  const found = [];
  const middle = (side - 1) / 2;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if (!isRound || side < 4 || (x - middle) ** 2 + (y - middle) ** 2 <= side * side * 0.26) found.push(x - (side >> 1), y - (side >> 1));
    }
  }
  return found;
}

function withCanvas(brush, points) {
  let codes = new Uint8Array(points.count);
  const inks = new Uint32Array(256);
  const faint = new Uint8Array(256);
  let picture = null;
  let pixels = null;

  function draw(view) {
    const { width, height } = brush.canvas;
    if (picture?.width !== width || picture?.height !== height) {
      picture = brush.createImageData(width, height);
      pixels = new Uint32Array(picture.data.buffer);
    } else pixels.fill(0);
    const scale = view.scale * view.ratio;
    const left = width / 2 - view.x * scale;
    const top = height / 2 - view.y * scale;
    const size = sizes(view, points.count);
    const half = points.songs >> 1;
    // Where points are large and many, every so many of them; always the same ones, so that nothing flickers.
    const shown = Math.min(1, (view.width * view.height) / view.scale ** 2);
    const step = Math.max(1, Math.ceil((points.count * shown * size.song ** 2) / MOST_PIXELS));
    const dots = (from, to, side, isRound) => {
      const marks = stamp(Math.max(1, Math.round(side)), isRound);
      const across = Math.ceil(side);
      const offsets = Int32Array.from({ length: marks.length / 2 }, (_, at) => marks[2 * at + 1] * width + marks[2 * at]);
      for (let point = from; point < to; point += step) {
        const x = (points.x[point] * scale / 65535 + left) | 0;
        const y = (points.y[point] * scale / 65535 + top) | 0;
        // Whole marks only: what the edge would cut is a point at the very edge.
        if (x < across || y < across || x >= width - across || y >= height - across) continue;
        const code = codes[point];
        const ink = inks[code];
        const at = y * width + x;
        if (faint[code]) {
          if (!pixels[at]) pixels[at] = ink;
          continue;
        }
        for (let place = 0; place < offsets.length; place++) pixels[at + offsets[place]] = ink;
      }
    };
    dots(points.films, points.films + half, size.song, true);
    dots(0, points.films, size.film, false);
    dots(points.films + half, points.count, size.song, true);
    brush.putImageData(picture, 0, 0);
  }
  return {
    kind: "canvas",
    draw,
    colour(values, palette) {
      codes = values;
      palette.forEach((parts, code) => {
        const [r, g, b, a] = parts.map((part) => Math.round(255 * part));
        new Uint8Array(inks.buffer, 4 * code, 4).set([r, g, b, a]);
        faint[code] = a < 40 ? 1 : 0;
      });
    },
  };
}
