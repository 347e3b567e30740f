/** What this browser keeps: saved looks, liked looks, settings. Never photos, never the key. */

/** @typedef {{name: string, at: string, hash: string, score: number|null, items: import("../types.js").Item[]}} Saved */

let savedAs = "modiste-looks";
let likedAs = "modiste-likes";
const MOST = 100;

/** Looks are kept for one catalogue each: ids mean nothing in another. @param {string} catalogue */
export function keepFor(catalogue) {
  savedAs = `modiste-looks-${catalogue}`;
  likedAs = `modiste-likes-${catalogue}`;
}

/** @param {string} name @returns {any[]} */
function list(name) {
  try {
    const found = JSON.parse(localStorage.getItem(name) ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}

/** @param {string} name @param {any[]} values  false when the browser keeps nothing (private mode, full) */
function keep(name, values) {
  try {
    localStorage.setItem(name, JSON.stringify(values.slice(0, MOST)));
    return true;
  } catch {
    return false;
  }
}

/** @returns {Saved[]} newest first */
export const savedLooks = () => list(savedAs).filter((one) => typeof one?.hash === "string" && Array.isArray(one.items));
/** @param {Saved} look */
export const saveLook = (look) => keep(savedAs, [look, ...savedLooks().filter((one) => one.hash !== look.hash)]);
/** @param {string} hash */
export const forgetLook = (hash) => keep(savedAs, savedLooks().filter((one) => one.hash !== hash));

/** @returns {string[][]} ids of liked looks, newest first */
export const likedLooks = () => list(likedAs).filter((one) => Array.isArray(one) && one.every((id) => typeof id === "string"));
/** @param {string[]} ids */
export const isLiked = (ids) => likedLooks().some((one) => same(one, ids));
/** @param {string[]} ids @returns {boolean} whether it is liked now */
export function toggleLike(ids) {
  const all = likedLooks();
  const others = all.filter((one) => !same(one, ids));
  const liked = others.length === all.length;
  keep(likedAs, liked ? [ids, ...others] : others);
  return liked;
}

/** @param {string[]} one @param {string[]} other */
const same = (one, other) => [...one].sort().join("\n") === [...other].sort().join("\n");

export const forgetLikes = () => keep(likedAs, []);

/** @param {string} name @param {string} otherwise */
export function setting(name, otherwise) {
  try {
    return localStorage.getItem(`modiste-${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}
/** @param {string} name @param {string} value */
export function setSetting(name, value) {
  try {
    localStorage.setItem(`modiste-${name}`, value);
  } catch {
    // The setting holds until the page closes.
  }
}
