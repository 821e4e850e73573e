// The only module that talks to the server.

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.errors = problem.errors || [];
    this.retryAfter_s = 0;
  }
}

const known = new Map();
const PATIENCE_MS = 30000;

async function call(path, { method = "GET", body, headers, signal } = {}) {
  const limit = AbortSignal.timeout(PATIENCE_MS);
  let reply;
  try {
    reply = await fetch(path, { method, body, headers, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused({ detail: "The server could not be reached. Is it still running?" }, 0);
  }
  const decoded = await reply.json().catch(() => ({}));
  if (!reply.ok) {
    const refused = new Refused(decoded, reply.status);
    refused.retryAfter_s = Number(reply.headers.get("Retry-After")) || 0;
    throw refused;
  }
  return decoded;
}

function post(path, value, signal) {
  return call(path, { method: "POST", body: JSON.stringify(value), headers: { "Content-Type": "application/json" }, signal });
}

function remember(medium, items) {
  for (const item of items) known.set(`${medium} ${item.id}`, item);
}

export async function search(body, signal) {
  const answer = await post("/v1/search", body, signal);
  remember(body.target, answer.results);
  return answer;
}

export async function lookUp(medium, q, limit, signal) {
  const found = await call(`/v1/${medium}?${new URLSearchParams({ q, limit })}`, { signal });
  remember(medium, found.results);
  return found.results;
}

/** One item by its id, from memory where it was seen before. */
export async function item(medium, id, signal) {
  const key = `${medium} ${id}`;
  if (!known.has(key)) known.set(key, await call(`/v1/${medium}/${encodeURIComponent(id)}`, { signal }));
  return known.get(key);
}

export async function picks(medium, page, signal) {
  const found = await call(`/v1/picks?${new URLSearchParams({ medium, page, limit: 24 })}`, { signal });
  remember(medium, found.results);
  return found;
}

export const playlist = (text, target, signal) => post("/v1/playlist", { playlist: text, target }, signal);
export const feedback = (body) => post("/v1/feedback", body);
export const tally = (signal) => call("/v1/feedback/tally", { signal });
export const relevance = (signal) => call("/v1/relevance", { signal });

/** The map's points as they are sent; 404 where the version has none. */
export async function mapPoints(signal) {
  const reply = await fetch("/v1/map", { signal });
  if (!reply.ok) throw new Refused(await reply.json().catch(() => ({})), reply.status);
  return reply.arrayBuffer();
}

export const mapLegend = (signal) => call("/v1/map/legend", { signal });
export const mapPlaces = (ids, signal) => post("/v1/map/places", ids, signal);

/** The items of some points of one version. */
export async function mapItems(points, version, signal) {
  const found = await call(`/v1/map/items?${new URLSearchParams({ points: points.join(","), index_version: version })}`, { signal });
  for (const found_ of found.results) remember(found_.medium, [found_]);
  return found.results;
}

/** The best matches of an item in the other medium. */
export async function matches(medium, id, limit, signal) {
  const target = medium === "movies" ? "tracks" : "movies";
  const answer = await call(`/v1/${medium}/${encodeURIComponent(id)}/${target}?limit=${limit}`, { signal });
  remember(target, answer.results);
  return answer;
}

export function audio(file, signal) {
  return call("/v1/audio", { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" }, signal });
}
