/** Photos of one's own: read, turned upright, made small, freed of all they carry beside pixels. And how photos are shown. */

import { key, picture } from "./api.js";

const LONGEST = 1024; // pixels; encoders look at far less
const MOST_BYTES = 25_000_000;

/**
 * A file as JPEG. Everything but the pixels (place, camera, name) stays behind.
 * @param {Blob & {name?: string}} file
 * @returns {Promise<import("../types.js").OwnPhoto>}
 * Throws an Error that says what to do about a file that is no photo.
 */
export async function ownPhoto(file) {
  if (file.size > MOST_BYTES) throw new Error("This file is larger than 25 MB. Choose a smaller photo.");
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("This file is no photo that can be read. Choose a JPEG, PNG or WebP.");
  });
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff"; // where a PNG is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const url = canvas.toDataURL("image/jpeg", 0.9);
  return { data: url.slice(url.indexOf(",") + 1), url, name: file.name ?? "photo" };
}

/** @param {import("../types.js").OwnPhoto} photo */
export function asBlob(photo) {
  const bytes = Uint8Array.from(atob(photo.data), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: "image/jpeg" });
}

/** The first photo that was dropped or pasted, if there is one. @param {DataTransfer|null} transfer */
export const fileOf = (transfer) =>
  [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/")) ?? transfer?.files[0] ?? null;

/** Whether files are being dragged. @param {DragEvent} event */
export const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;

/** Where the photo of an item is; only this server's own paths. @param {import("../types.js").Item} item @param {boolean} small */
export function photoPath(item, small = false) {
  if (!item.image?.startsWith("/v1/")) return "";
  return small ? `${item.image}${item.image.includes("?") ? "&" : "?"}size=small` : item.image;
}

/**
 * Fit a photo as its kind asks: where its edge is one plain colour the whole thing is shown and its tile takes that colour,
 * so that nothing is cut off and no border shows; a scene covers the tile.
 * @param {HTMLImageElement} image
 */
function settle(image) {
  const side = 16;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(image, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const corners = [0, side - 1, side * (side - 1), side * side - 1].map((at) => [...data.slice(4 * at, 4 * at + 3)]);
  const spread = Math.max(...[0, 1, 2].map((part) => Math.max(...corners.map((one) => one[part])) - Math.min(...corners.map((one) => one[part]))));
  if (spread > 12) return;
  image.classList.add("plain");
  image.style.backgroundColor = `rgb(${corners[0].join(" ")})`;
}

/**
 * An <img> of an item.
 * @param {import("../types.js").Item} item
 * @param {{small?: boolean, alt?: string}} [how]
 */
export function photoOf(item, { small = false, alt = "" } = {}) {
  const image = document.createElement("img");
  image.alt = alt;
  image.decoding = "async";
  image.loading = "lazy";
  image.draggable = false;
  const path = photoPath(item, small);
  image.addEventListener("load", () => settle(image));
  image.addEventListener("error", () => (key() && path ? fetched(image, path) : image.classList.add("missing")), { once: true });
  if (item.photo) image.src = item.photo.url;
  else if (path) image.src = path;
  else image.classList.add("missing");
  return image;
}

/**
 * Where the server wants a key, addresses of photos are signed for a day, since <img> sends no key. After that the photo is
 * fetched with the key: looks that were saved are older.
 * @param {HTMLImageElement} image @param {string} path
 */
async function fetched(image, path) {
  try {
    const bytes = await picture(path);
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    image.src = URL.createObjectURL(bytes);
  } catch {
    image.classList.add("missing");
  }
}
