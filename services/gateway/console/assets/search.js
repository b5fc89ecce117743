// A search box that asks when the typing pauses.

import { h } from "./dom.js";

const PAUSE_MS = 200;

export function searchBox(label, value, changed) {
  let timer = 0;
  const input = h("input", { type: "search", "aria-label": label, placeholder: label, value, autocomplete: "off", spellcheck: "false", maxlength: 100 });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(changed, PAUSE_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    clearTimeout(timer);
    changed();
  });
  return { element: h("div", { class: "search" }, input), value: () => input.value.trim() };
}
