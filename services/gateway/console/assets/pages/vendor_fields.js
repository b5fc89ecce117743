// Fields and words that the pages and dialogs of vendors share.

import { field } from "../dialog.js";
import { h } from "../dom.js";

const DAY_SECONDS = 86400;

export function vendorState(vendor) {
  if (vendor.stopped) return "stopped";
  return vendor.suspended ? "suspended" : "active";
}

export function lowBalance(threshold) {
  const input = h("input", { name: "threshold", type: "number", min: 0, max: 1e12, step: 1, required: true, value: threshold, inputmode: "numeric" });
  return field("Low balance", input, "The vendor is told each time its balance falls below this; 0: never.");
}

export function duplicateWindow(seconds) {
  const input = h("input", { name: "window", type: "number", min: 0, max: DAY_SECONDS, step: 1, required: true, value: seconds, inputmode: "numeric" });
  return field("Duplicate window", input, "Seconds within which a second charge of the same customer and amount is refused; 0: never.");
}
