/** The page talks to the public JSON routes and to nothing else. */

const KEY = "modiste-key";

/** An answer that is no answer: a problem document (RFC 9457), or no connection. */
export class Problem extends Error {
  /** @param {number} status @param {string} title @param {string} detail @param {string} [requestId] */
  constructor(status, title, detail, requestId = "") {
    super(detail || title);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    this.requestId = requestId;
  }
}

/** @type {() => Promise<string>} */
let askForKey = () => Promise.reject(new Problem(401, "A key is needed", "This server wants an API key."));
/** @type {Promise<string>|null} */
let asking = null;

/** Say who asks a person for the key. @param {() => Promise<string>} ask */
export const onKeyNeeded = (ask) => (askForKey = ask);

/** The key for this tab, "" where none was needed. */
export const key = () => sessionStorage.getItem(KEY) ?? "";

/**
 * Fetch with the key, asking for one when the server wants it.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} whatever its status, except 401
 */
async function send(path, options = {}) {
  for (;;) {
    const used = key();
    const headers = { ...options.headers, ...(used ? { "x-api-key": used } : {}) };
    const response = await fetch(path, { ...options, headers }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "No answer", "The server does not answer. Is `modiste serve` still running?");
    });
    if (response.status !== 401) return response;
    if (key() !== used) continue; // somebody gave another one meanwhile
    sessionStorage.removeItem(KEY);
    asking ??= askForKey().finally(() => (asking = null));
    sessionStorage.setItem(KEY, await asking);
  }
}

/** @param {Response} response */
async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  let detail = told.detail || told.title || `The server answered ${response.status}.`;
  const wait = response.headers.get("retry-after");
  if (response.status === 429 && wait) detail += ` Try again in ${wait} s.`;
  return new Problem(response.status, told.title ?? "", detail, response.headers.get("x-request-id") ?? "");
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
async function answer(path, options) {
  const response = await send(path, options);
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

/** @param {string} path @param {Record<string, any>} values  arrays repeat the name; "" and null are left out */
export function withQuery(path, values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== "" && one != null) query.append(name, one);
  }
  return query.size ? `${path}?${query}` : path;
}

/** @param {string} path @param {AbortSignal} [signal] */
export const get = (path, signal) => answer(`/v1${path}`, { signal });

/** @param {string} path @param {any} body  FormData, or what becomes JSON @param {AbortSignal} [signal] */
export const post = (path, body, signal) =>
  answer(
    `/v1${path}`,
    body instanceof FormData
      ? { method: "POST", body, signal }
      : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" }, signal },
  );

const TRIES = 4; // for a picture, when the key's rate is used up for the moment

/** The bytes of a picture. @param {string} path @returns {Promise<Blob>} */
export async function picture(path) {
  for (let tried = 1; ; tried += 1) {
    const response = await send(path);
    if (response.ok) return response.blob();
    if (response.status !== 429 || tried === TRIES) throw await problemOf(response);
    const wait = Number(response.headers.get("retry-after")) || 1;
    await new Promise((resolve) => setTimeout(resolve, 1000 * wait * (0.5 + Math.random())));
  }
}

/** An item's own path. @param {string} id */
export const itemPath = (id) => `/items/${encodeURIComponent(id)}`;
