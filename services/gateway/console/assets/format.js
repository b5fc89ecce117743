// How amounts and times are written. Amounts are whole minor units; the API keeps them below 2^53, where numbers are exact.

import { h } from "./dom.js";

const NUMBER = new Intl.NumberFormat("en");
const TIME = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const HOUR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const SECOND = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY_MS = 86_400_000;
const STEPS = [["d", DAY_MS], ["h", 3_600_000], ["min", 60_000], ["s", 1_000]];

export function amount(value) {
  return value === undefined || value === null ? "" : NUMBER.format(value);
}

export function signed(value) {
  return value > 0 ? `+${amount(value)}` : amount(value);
}

// Return a <time> that shows the moment and, on hovering, the exact text of the API.
export function time(text) {
  return text ? h("time", { datetime: text, title: text }, TIME.format(new Date(text))) : "";
}

// Return a <time> that shows how long ago it was.
export function ago(text) {
  return text ? h("time", { datetime: text, title: text }, `${span(Date.now() - Date.parse(text))} ago`) : "";
}

// Return a length of time in its largest unit.
export function span(milliseconds) {
  for (const [unit, length] of STEPS) if (milliseconds >= length) return `${Math.floor(milliseconds / length)} ${unit}`;
  return `${Math.max(0, Math.round(milliseconds))} ms`;
}

// Return a moment as precisely as a stretch of time of this length needs it.
export function moment(at, stretch) {
  if (stretch > 60 * DAY_MS) return DAY.format(at);
  return (stretch > 600_000 ? HOUR : SECOND).format(at);
}

export function badge(status) {
  return h("span", { class: `badge ${status}` }, status.replaceAll("_", " "));
}
