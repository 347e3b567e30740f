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
