/** Work that a newer wish overtakes. */

/**
 * Waits until nothing was asked for `wait` ms, then calls; a newer call aborts the one still running.
 * @param {number} wait
 * @param {(signal: AbortSignal, ...rest: any[]) => Promise<void>} work  its AbortErrors are swallowed
 */
export function latest(wait, work) {
  /** @type {AbortController|null} */
  let running = null;
  let timer = 0;
  /** @param {...any} rest */
  const ask = (...rest) => {
    ask.cancel();
    const controller = new AbortController();
    running = controller;
    timer = window.setTimeout(() => {
      work(controller.signal, ...rest).catch((error) => {
        if (error.name !== "AbortError") throw error;
      });
    }, wait);
  };
  ask.cancel = () => {
    window.clearTimeout(timer);
    running?.abort();
    running = null;
  };
  return ask;
}

/**
 * One question at a time: a newer one aborts the one still running. Meanwhile `place` is busy, and the button that asked.
 * @param {HTMLElement} place
 */
export function newest(place) {
  /** @type {AbortController|null} */
  let running = null;
  /** @type {HTMLElement|undefined} */
  let pressed;
  const rest = () => {
    place.removeAttribute("aria-busy");
    pressed?.classList.remove("busy");
    running = null;
  };
  /**
   * @template T @param {(signal: AbortSignal) => Promise<T>} question @param {HTMLElement} [button]
   * @returns {Promise<T|null>} null where a newer question took over
   */
  const ask = async (question, button) => {
    ask.cancel();
    const controller = (running = new AbortController());
    place.setAttribute("aria-busy", "true");
    pressed = button;
    pressed?.classList.add("busy");
    try {
      return await question(controller.signal);
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") return null;
      throw error;
    } finally {
      if (running === controller) rest();
    }
  };
  ask.cancel = () => {
    running?.abort();
    rest();
  };
  return ask;
}
