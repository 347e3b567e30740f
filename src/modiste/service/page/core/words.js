/** Numbers and proofs as people say them. Nothing claims more than the server said. */

/** @param {string} kind "one_piece" @returns {string} "One piece" */
export const kindName = (kind) => {
  const words = kind.replaceAll("_", " ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : "Anything";
};

/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en-GB")} ${count === 1 ? one : many}`;

/** @param {number} value */
export const score = (value) => value.toFixed(2);

/** @param {number} value  "+0.12", "−0.03" with a true minus, "0.00" */
export const signed = (value) => {
  const rounded = Math.abs(value).toFixed(2);
  if (Number(rounded) === 0) return "0.00";
  return (value > 0 ? "+" : "−") + rounded;
};

/** What is proven about a look. @param {import("../types.js").Look} look */
export function proof(look) {
  if (look.exact) return "Exact: nothing better is possible in its place.";
  const claim = look.claim || (look.gap != null ? `within ${look.gap.toFixed(3)} of the best possible` : "");
  return claim ? `${claim[0].toUpperCase()}${claim.slice(1)}.` : "";
}

/** @param {number|null|undefined} percentile */
export const betterThan = (percentile) =>
  percentile == null ? "" : `Better than ${Math.round(percentile)} % of stylists’ looks.`;

/** Where a score comes from. @param {import("../types.js").Scorer} scorer @param {boolean} calibrated */
export function judgedBy(scorer, calibrated) {
  const label = scorer.label || `scored by ${scorer.name}`;
  const meaning = calibrated ? "" : " Scores rank looks; they are no probabilities.";
  return `${label[0].toUpperCase()}${label.slice(1)}.${meaning}`;
}

/** What the two ends of the slider stand for. @param {number} alpha */
export const balance = (alpha) =>
  `${Math.round(100 * (1 - alpha))} % matches the words, ${Math.round(100 * alpha)} % goes together`;

/** A look in one sentence, for who cannot see it. @param {import("../types.js").Item[]} items */
export const spoken = (items) => items.map((item) => item.title || item.id).join(", ");
