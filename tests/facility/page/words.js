// Owns: the language of the page, and every text that it shows: each element remembers how it was made, so that a switch redraws all.
// Never: a sentence; those stand in lang/, one file per language, with the same keys.
// Called by: visit.js, ends.js.

import en from "/lang/en.js";
import fr from "/lang/fr.js";

const languages = { en, fr };

/** What the visitor chose before, or the first of the browser's languages that there is. Private windows may forget the choice. */
function first() {
  let kept;
  try { kept = localStorage.getItem("language"); } catch { /* not allowed here */ }
  return [kept, ...navigator.languages.map(l => l.slice(0, 2))].find(l => l && Object.hasOwn(languages, l)) ?? "en";
}

let current = first();
/** Values that are the same everywhere: who, where. */
const known = {};

/** Sentences of legal weight: until somebody has signed for a translation (`reviewed-by`), they stand in English beside their sign. */
const legal = ["terms.recorded", "terms.notrecorded", "terms.watched", "visit.recorded", "visit.notrecorded", "fact.recorded", "fact.notrecorded"];
const signed = key => !legal.includes(key) || languages[current]["reviewed-by"] !== "";

/** The sentence of a key; `{name}` becomes that value. */
export function t(key, values = {}) {
  const text = (signed(key) ? languages[current][key] : undefined) ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? known[name] ?? "");
}

/** Whether there is a sentence of this key. */
export const has = key => Object.hasOwn(en, key);

/** The sentence for a number: `key.one`, `key.other`, as the language counts (CLDR). */
export const counted = (key, n) => t(new Intl.PluralRules(current).select(n) === "one" ? `${key}.one` : `${key}.other`, { n });

/** Writes what `make` says now, and after each switch of the language. */
export function write(element, make) {
  element.made = make;
  element.dataset.made = "";
  element.textContent = make();
}

/** Keeps values for every text, and redraws. */
export function know(values) {
  Object.assign(known, values);
  redraw();
}

export function redraw() {
  document.documentElement.lang = current;
  document.querySelectorAll("[data-t]").forEach(e => { e.textContent = t(e.dataset.t); });
  document.querySelectorAll("[data-label]").forEach(e => e.setAttribute("aria-label", t(e.dataset.label)));
  document.querySelectorAll("[data-made]").forEach(e => { e.textContent = e.made(); });
}

/** A button that names the other language, in that language. */
export function offerLanguages(button) {
  const other = () => Object.keys(languages).find(l => l !== current);
  const name = () => { button.textContent = languages[other()].language; button.lang = other(); };
  button.onclick = () => {
    current = other();
    try { localStorage.setItem("language", current); } catch { /* not allowed here */ }
    name();
    redraw();
  };
  name();
}
