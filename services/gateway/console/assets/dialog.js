// Dialogs that ask before something is done, and short notices.

import { h, replace } from "./dom.js";

const NOTICE_MS = 6_000;

// Ask, then do. `fields` are inputs with names; `act` gets their values and may throw, which is shown and keeps the dialog open.
// Resolves to what `act` returned, or null when it was cancelled.
export function ask({ title, text = [], fields = [], action, danger = false, act }) {
  return new Promise((resolve) => {
    const error = h("p", { class: "error", role: "alert", hidden: true });
    const submit = h("button", { type: "submit", class: danger ? "danger" : "primary" }, action);
    const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const form = h("form", { method: "dialog", novalidate: false }, h("h2", { id: "dialog-title" }, title), text.map((each) => h("p", {}, each)),
      fields, error, h("div", { class: "actions" }, cancel, submit));
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
    let outcome = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        outcome = (await act(Object.fromEntries(new FormData(form)))) ?? true;
        dialog.close();
      } catch (problem) {
        showProblem(error, problem);
      }
      submit.disabled = false;
      // A disabled button loses the keyboard; it gets it back unless a field has it.
      if (dialog.open && !form.contains(document.activeElement)) submit.focus();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(outcome);
    });
    document.body.append(dialog);
    dialog.showModal();
    (form.querySelector("input, select, textarea") ?? submit).focus();
  });
}

// Return a labelled input, select or textarea for a dialog or a form.
export function field(label, control, hint = "") {
  return h("label", { class: "field" }, h("span", {}, label), control, hint && h("small", {}, hint));
}

// Show what went wrong in an element of the page.
export function showProblem(element, problem) {
  element.hidden = false;
  const wait = problem.retryAfter ? ` Try again in ${problem.retryAfter} s.` : "";
  replace(element, `${problem.message}.${wait}`, problem.reason && h("small", {}, ` ${problem.reason}`),
    problem.requestId && h("small", { class: "request-id" }, `request ${problem.requestId}`));
}

export function notice(text, kind = "done") {
  const toast = h("p", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), NOTICE_MS);
}
