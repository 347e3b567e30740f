/** The board as a file: a picture to show, or JSON to work on with. */

import { picture } from "./api.js";
import { asBlob, photoPath } from "./photo.js";
import { kindName } from "./words.js";

const TILE = { width: 480, height: 640, gap: 16, text: 76 };
const PAPER = "#ffffff";
const INK = "#1f1b18";

/** @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * Photos side by side, each with its title, under the words of the look.
 * @param {import("../types.js").Item[]} items @param {string} heading @param {string} below
 * @returns {Promise<Blob>} a PNG
 */
export async function asPng(items, heading, below) {
  const columns = items.length <= 2 ? items.length : items.length <= 4 ? 2 : 3;
  const rows = Math.ceil(items.length / columns);
  const { width, height, gap, text } = TILE;
  const head = heading ? 96 : gap * 2;
  const canvas = document.createElement("canvas");
  canvas.width = columns * (width + gap) + gap;
  canvas.height = head + rows * (height + text + gap) + 56;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const serif = getComputedStyle(document.documentElement).getPropertyValue("--serif");
  const sans = getComputedStyle(document.documentElement).getPropertyValue("--sans");
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = INK;
  context.font = `34px ${serif}`;
  context.fillText(cut(context, heading, canvas.width - 2 * gap), gap, 62);
  for (const [at, item] of items.entries()) {
    const x = gap + (at % columns) * (width + gap);
    const y = head + Math.floor(at / columns) * (height + text + gap);
    await drawPhoto(context, item, x, y);
    context.fillStyle = INK;
    context.font = `20px ${sans}`;
    context.fillText(cut(context, item.title || item.id, width), x, y + height + 30);
    context.globalAlpha = 0.65;
    context.font = `16px ${sans}`;
    context.fillText(kindName(item.slot), x, y + height + 54);
    context.globalAlpha = 1;
  }
  context.font = `16px ${sans}`;
  context.globalAlpha = 0.65;
  context.fillText(cut(context, below, canvas.width - 2 * gap), gap, canvas.height - 22);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture could not be made."))), "image/png");
  });
}

/** Cover the tile; where there is no photo the tile stays grey. */
async function drawPhoto(
  /** @type {CanvasRenderingContext2D} */ context,
  /** @type {import("../types.js").Item} */ item,
  /** @type {number} */ x,
  /** @type {number} */ y,
) {
  const { width, height } = TILE;
  context.fillStyle = "#f1eeea";
  context.fillRect(x, y, width, height);
  try {
    const bitmap = await createImageBitmap(item.photo ? asBlob(item.photo) : await picture(photoPath(item)));
    const scale = Math.max(width / bitmap.width, height / bitmap.height);
    const [w, h] = [width / scale, height / scale];
    context.drawImage(bitmap, (bitmap.width - w) / 2, (bitmap.height - h) / 2, w, h, x, y, width, height);
    bitmap.close();
  } catch {
    // No photo of this item: its title says what it is.
  }
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} room */
function cut(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > room) end -= 1;
  return `${text.slice(0, end)}…`;
}

/**
 * @param {import("../types.js").Board} board @param {import("../types.js").Catalogue} catalogue @param {string} url
 * @param {import("../types.js").Verdict|null} verdict
 */
export function asJson(board, catalogue, url, verdict) {
  const slots = board.slots.map(({ kind, item, locked, wish }) => ({
    kind,
    locked,
    wish,
    item: item && (item.own ? { own: true, title: item.title } : { id: item.id, title: item.title, category: item.category, attributes: item.attributes }),
  }));
  const { name, scorer, calibrated } = catalogue;
  const judged = verdict && { score: verdict.score, compatibility: verdict.compatibility, match: verdict.match, percentile: verdict.percentile, problems: verdict.problems };
  const told = { catalogue: name, text: board.text, alpha: board.alpha, slots, verdict: judged, scorer: { ...scorer, calibrated }, url };
  return new Blob([JSON.stringify(told, null, 2)], { type: "application/json" });
}
