/** A value that many look at, and one that remembers where it came from. */

/**
 * @template T
 * @param {T} value
 */
export function createStore(value) {
  /** @type {Set<(value: T) => void>} */
  const listeners = new Set();
  return {
    get: () => value,
    /** @param {Partial<T>} change */
    set(change) {
      value = { ...value, ...change };
      for (const listener of [...listeners]) listener(value);
    },
    /** @param {(value: T) => void} listener  called at once and after every change */
    subscribe(listener) {
      listeners.add(listener);
      listener(value);
    },
  };
}

const STEPS = 100; // that can be undone

/**
 * A store with undo and redo. Values are never changed in place, so that a step is just an older value.
 * @template T
 * @param {T} value
 */
export function createHistory(value) {
  /** @type {{value: T, label: string}[]} */
  let past = [];
  /** @type {{value: T, label: string}[]} */
  let future = [];
  let merging = "";
  /** @type {Set<(value: T) => void>} */
  const listeners = new Set();
  const tell = () => [...listeners].forEach((listener) => listener(value));
  return {
    get: () => value,
    canUndo: () => past.length > 0,
    canRedo: () => future.length > 0,
    /**
     * @param {T} next
     * @param {string} label  what was done, for whoever undoes it
     * @param {string} [merge]  steps in a row under the same name are one step: letters typed into one field
     */
    push(next, label, merge = "") {
      if (next === value) return;
      if (!merge || merge !== merging) past = [...past, { value, label }].slice(-STEPS);
      merging = merge;
      future = [];
      value = next;
      tell();
    },
    /** Exchange the value without a step: for what nobody did. @param {T} next */
    replace(next) {
      value = next;
      tell();
    },
    /** @returns {string} what was undone; "" when there was nothing */
    undo() {
      const step = past.at(-1);
      if (!step) return "";
      past = past.slice(0, -1);
      future = [{ value, label: step.label }, ...future];
      merging = "";
      value = step.value;
      tell();
      return step.label;
    },
    /** @returns {string} what was done again; "" when there was nothing */
    redo() {
      const step = future[0];
      if (!step) return "";
      future = future.slice(1);
      past = [...past, { value, label: step.label }];
      merging = "";
      value = step.value;
      tell();
      return step.label;
    },
    /** @param {(value: T) => void} listener  called at once and after every change */
    subscribe(listener) {
      listeners.add(listener);
      listener(value);
    },
  };
}
