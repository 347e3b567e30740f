/** What was chosen among a catalogue's fields, and the same as filters of the engine. */

/** @typedef {{field: string, values: string[], min: number|null, max: number|null}} Choice */

/** @param {string} value */
const quoted = (value) => `"${value.replaceAll('"', "")}"`;

/** @param {Choice} choice @returns {string[]} `colour="red"|"blue"`, `price>=20` */
export function expressions(choice) {
  const found = [];
  if (choice.values.length) found.push(`${choice.field}=${choice.values.map(quoted).join("|")}`);
  if (choice.min !== null) found.push(`${choice.field}>=${choice.min}`);
  if (choice.max !== null) found.push(`${choice.field}<=${choice.max}`);
  return found;
}

/** The choices that filters stand for; what this page did not write is left out. @param {string[]} filters */
export function choicesOf(filters) {
  /** @type {Map<string, Choice>} */
  const found = new Map();
  for (const filter of filters) {
    const match = /^([^=<>]+)(>=|<=|=)(.+)$/.exec(filter);
    if (!match) continue;
    const [, field, operator, rest] = match;
    const choice = found.get(field) ?? { field, values: [], min: null, max: null };
    const number = Number(rest);
    if (operator === "=") choice.values = [...rest.matchAll(/"([^"]+)"/g)].map((one) => one[1]);
    else if (!Number.isNaN(number)) choice[operator === ">=" ? "min" : "max"] = number;
    if (expressions(choice).length) found.set(field, choice);
  }
  return [...found.values()];
}

/** The choices with one value of a field put in or taken out. @param {Choice[]} choices @param {string} field @param {string} value */
export function toggled(choices, field, value) {
  const old = choices.find((one) => one.field === field) ?? { field, values: [], min: null, max: null };
  const values = old.values.includes(value) ? old.values.filter((one) => one !== value) : [...old.values, value];
  return withChoice(choices, { ...old, values });
}

/** @param {Choice[]} choices @param {Choice} choice */
export function withChoice(choices, choice) {
  const others = choices.filter((one) => one.field !== choice.field);
  return expressions(choice).length ? [...others, choice] : others;
}

/** Each chosen thing in words, with the choices that are left without it. @param {Choice[]} choices */
export function chips(choices) {
  return choices.flatMap((choice) => {
    const found = choice.values.map((value) => ({ words: value, left: toggled(choices, choice.field, value) }));
    if (choice.min !== null) {
      found.push({ words: `${choice.field} from ${choice.min}`, left: withChoice(choices, { ...choice, min: null }) });
    }
    if (choice.max !== null) {
      found.push({ words: `${choice.field} to ${choice.max}`, left: withChoice(choices, { ...choice, max: null }) });
    }
    return found;
  });
}
