/**
 * The words of the HTTP contract as the page uses them. Types only; nothing here runs.
 *
 * @typedef {{id: string, title: string, category: string, slot: string, group?: string, description?: string,
 *   attributes: Record<string, string|number|boolean>, image: string|null, own?: boolean, photo?: OwnPhoto,
 *   product_siblings?: Item[]}} Item
 *   `own` and `photo` are set for a photo of one's own: it lives in this tab and is sent along with each question.
 * @typedef {{data: string, url: string, name: string}} OwnPhoto   base64 JPEG, and an address for <img>
 *
 * @typedef {{id: string, contribution: number}} ItemTerm
 * @typedef {{ids: [string, string], term: number, reasons?: string[]}} PairTerm
 * @typedef {{remove: string, add: Item, before: number, after: number}} BestSwap
 * @typedef {{score: number, base?: number, items: ItemTerm[], pairs: PairTerm[], swap: BestSwap|null}} Explanation
 * @typedef {{score: number, compatibility: number, match: number|null, percentile: number|null, valid: boolean,
 *   problems: string[], notes?: string[], items: Item[]}} Verdict
 *
 * @typedef {{id: string, slot: string, wish: string, match: number|null}} Chosen
 * @typedef {{items: Item[], chosen: Chosen[], score: number, compatibility: number, percentile: number|null,
 *   exact?: boolean, gap?: number, claim: string, template?: string, similarity?: number|null,
 *   taste?: number|null, reasons?: {liked: string, similarity: number, shared: string[], words: string}[]}} Look
 * @typedef {{looks: Look[], method: string, scored: number, notes: string[], seconds: number}} Answer
 *
 * @typedef {{key: string, line: string}} PlanPart
 * @typedef {{line: string, reference: string|null, changes: PlanPart[], excluded: PlanPart[], kept: PlanPart[],
 *   price: PlanPart|null, notes: string[]}} Plan   what the words of a search were taken for
 *
 * @typedef {{name: string, kind: "text"|"number", values?: {value: string, count: number}[], min?: number, max?: number}} Field
 * @typedef {{name: string, kind: string, label: string}} Scorer
 * @typedef {{name: string, items: number, scorer: Scorer, calibrated: boolean, taggable: boolean, looks: number, tastes: string|null,
 *   categories: {name: string, count: number, slot: string}[], slots: {name: string, count: number}[], filters: Field[],
 *   limits: Record<string, number>, keys_required: boolean}} Catalogue
 *
 * @typedef {{key: string, kind: string, item: Item|null, locked: boolean, wish: string, match: number|null}} Slot
 * @typedef {{slots: Slot[], text: string, alpha: number}} Board
 */
export {};
