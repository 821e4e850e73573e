// What lies over the points: names of the well-known, rings around what is lit, lines from the chosen one.

/** Draw it. `scene`: { lit: [points], own: [points], chosen, ties: [{ point, score }], names: Map point → title, marks: [points] } */
export function drawOverlay(brush, view, points, scene, inks) {
  const { ratio } = view;
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.clearRect(0, 0, view.width, view.height);
  const at = (point) => [
    (points.x[point] / 65535 - view.x) * view.scale + view.width / 2,
    (points.y[point] / 65535 - view.y) * view.scale + view.height / 2,
  ];
  const inside = ([x, y]) => x > -20 && y > -20 && x < view.width + 20 && y < view.height + 20;
  const taken = [];

  brush.lineCap = "round";
  if (scene.chosen !== null) {
    const [x, y] = at(scene.chosen);
    for (const { point, score } of scene.ties) {
      const [to, down] = at(point);
      // A little bow, always to the same side, so that lines to one place do not lie on each other.
      const bow = 0.12;
      brush.beginPath();
      brush.moveTo(x, y);
      brush.quadraticCurveTo((x + to) / 2 - (down - y) * bow, (y + down) / 2 + (to - x) * bow, to, down);
      brush.strokeStyle = inks.paper;
      brush.lineWidth = 4.5;
      brush.globalAlpha = 0.7;
      brush.stroke();
      brush.strokeStyle = inks.ink;
      brush.lineWidth = 1 + 1.6 * score;
      brush.globalAlpha = 0.35 + 0.65 * score;
      brush.stroke();
    }
    brush.globalAlpha = 1;
  }
  const ring = (point, reach, width, ink) => {
    const place = at(point);
    if (!inside(place)) return;
    for (const [stroke, line] of [[inks.paper, width + 2], [ink, width]]) {
      brush.beginPath();
      brush.arc(...place, reach, 0, 2 * Math.PI);
      brush.strokeStyle = stroke;
      brush.lineWidth = line;
      brush.stroke();
    }
  };
  for (const point of scene.lit) ring(point, 5, 1.8, inks.accent);
  for (const { point } of scene.ties) ring(point, 6, 2, inks.ink);
  for (const point of scene.own) ring(point, 8, 3, inks.accent);
  if (scene.chosen !== null) ring(scene.chosen, 10, 3, inks.ink);

  const write = (point, strong) => {
    const title = scene.names.get(point);
    const place = at(point);
    if (!title || !inside(place)) return;
    brush.font = `${strong ? 600 : 500} ${strong ? 13 : 12}px ${inks.font}`;
    const text = title.length > 34 ? `${title.slice(0, 32)}…` : title;
    const wide = brush.measureText(text).width;
    const x = Math.min(view.width - wide - 6, Math.max(6, place[0] + 11));
    const box = [x - 3, place[1] - 10, x + wide + 3, place[1] + 9];
    if (!strong && taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) return;
    taken.push(box);
    brush.lineJoin = "round";
    brush.lineWidth = 3.5;
    brush.strokeStyle = inks.paper;
    brush.fillStyle = strong ? inks.ink : inks.soft;
    brush.strokeText(text, x, place[1] + 4);
    brush.fillText(text, x, place[1] + 4);
    if (!strong) {
      brush.beginPath();
      brush.arc(...place, 2.6, 0, 2 * Math.PI);
      brush.fillStyle = inks.ink;
      brush.fill();
    }
  };
  if (scene.chosen !== null) write(scene.chosen, true);
  for (const point of scene.own) write(point, true);
  const rest = [...scene.ties.map(({ point }) => point), ...scene.lit.slice(0, 25), ...scene.marks];
  for (const point of rest) if (point !== scene.chosen) write(point, false);
}
