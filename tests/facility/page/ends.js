// Owns: what the visitor reads when a visit or a call is over: one sentence for each code, the facts of the receipt.
// Never: a count of its own; it shows what was signed.
// Called by: visit.js.

import { counted, has, t, write } from "/words.js";

const time = s => s >= 60 ? t("time.minutes", { m: Math.floor(s / 60), s: s % 60 }) : t("time.seconds", { s });
const talked = s => s >= 60 ? counted("ended.talked.minutes", Math.round(s / 60)) : counted("ended.talked.seconds", s);

/** The sentence of an end by its stable code. */
export const ending = reason => t(has(`end.${reason}`) ? `end.${reason}` : "end.other");

/** Title and sentence of what did not come to a visit: `missed` here, `reached` there. */
export function stopped(kind, why) {
  const key = has(`${kind}.${why}.title`) ? `${kind}.${why}` : `${kind}.other`;
  return { title: () => t(`${key}.title`), says: () => t(`${key}.says`) };
}

function fact(icon, colour, make) {
  const svg = (name, attributes) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([k, v]) => e.setAttribute(k, v));
    return e;
  };
  const drawing = svg("svg", { class: `icon ${colour}`, "aria-hidden": "true" });
  drawing.append(svg("use", { href: `#${icon}` }));
  const item = document.createElement("li"), words = document.createElement("span");
  write(words, make);
  item.append(drawing, words);
  return item;
}

/** Before the receipt: what the page itself saw. */
export function left($, seconds, byVisitor) {
  write($("ended-title"), () => seconds ? talked(seconds) : t("ended.none"));
  write($("ended-why"), () => byVisitor ? t("end.VisitorLeft") : "");
  $("facts").replaceChildren(fact("i-clock", "soon", () => t("fact.coming")));
  write($("ended-code"), () => "");
}

/** The receipt: both sides' word. */
export function receipt($, r, recordedBy) {
  const began = r.seconds_counted > 0 || has(`end.${r.reason}`);
  write($("ended-title"), () => r.seconds_counted ? talked(r.seconds_counted) : t("ended.notbegun"));
  write($("ended-why"), () => began ? ending(r.reason) : t("end.notstarted"));
  const seen = r.seconds_seen === null ? [] : [fact("i-seen", "good", () => t("fact.seen", { time: time(r.seconds_seen) }))];
  const lost = r.seconds_lost ? [fact("i-pause", "soon", () => t("fact.lost", { time: time(r.seconds_lost) }))] : [];
  $("facts").replaceChildren(
    fact("i-clock", "good", () => t("fact.counted", { time: time(r.seconds_counted) })), ...seen, ...lost,
    recordedBy ? fact("i-rec", "soon", () => t("fact.recorded", { who: recordedBy })) : fact("i-lock", "good", () => t("fact.notrecorded")),
    fact("i-video-off", "good", () => t("fact.cameraoff")),
    signatures(r),
  );
  write($("ended-code"), () => t("code.receipt", { code: r.reason, id: r.receipt.slice(0, 8) }));
}

function signatures({ verified, both_sides }) {
  if (!verified) return fact("i-x", "ends", () => t("fact.wrong"));
  return both_sides ? fact("i-check", "good", () => t("fact.both")) : fact("i-check", "soon", () => t("fact.one"));
}
