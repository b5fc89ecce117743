// Fields that the dialogs of a new and of a changed vendor share.

import { field } from "../dialog.js";
import { h } from "../dom.js";

const DAY_SECONDS = 86400;

export function duplicateWindow(seconds) {
  const input = h("input", { name: "window", type: "number", min: 0, max: DAY_SECONDS, step: 1, required: true, value: seconds, inputmode: "numeric" });
  return field("Duplicate window", input, "Seconds within which a second charge of the same customer and amount is refused; 0: never.");
}
