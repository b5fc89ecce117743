// Lists that are read page by page and walked by keyboard: arrows or j and k, Home and End, Enter.

import { h, replace } from "./dom.js";
import { showProblem } from "./dialog.js";

// Return an element with a list in it and `reload`. `columns` are {title, cell, number}; `load(token)` returns a page of the API;
// `link(row)` returns the address that a row leads to, `key(row)` what names it; `selected()` the key of the row that is shown.
export function list({ label, columns, load, link, key = (row) => row.id, selected = () => null, empty = "Nothing here." }) {
  const body = h("tbody");
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const none = h("p", { class: "empty", hidden: true }, empty);
  const more = h("button", { type: "button", hidden: true, onclick: () => extend() }, "Show more");
  const head = h("thead", {}, h("tr", {}, columns.map(({ title, number }) => h("th", { scope: "col", class: number && "number" }, title))));
  const element = h("div", { class: "list" }, error, h("table", { "aria-label": label }, head, body), none, more);
  let rows = [];
  let next = "";
  let shown = "";
  let asked = 0;

  function draw() {
    const state = JSON.stringify([rows, selected()]);
    if (state === shown) return;
    shown = state;
    const focused = body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.key : null;
    replace(body, rows.map(drawRow));
    const first = body.querySelector("tr[aria-current]") ?? body.querySelector("tr");
    if (first) first.tabIndex = 0;
    // A row that is gone hands the keyboard on, so that who works through a queue stays in it.
    if (focused !== null) ([...body.children].find((row) => row.dataset.key === focused) ?? first)?.focus();
    none.hidden = rows.length > 0;
  }

  function drawRow(row) {
    const cells = columns.map(({ title, cell, number }) => h("td", { "data-label": title, class: number && "number" }, cell(row)));
    const chosen = String(key(row)) === String(selected());
    const element = h("tr", { "data-key": key(row), tabindex: -1, "aria-current": chosen && "true" }, cells);
    if (link) {
      element.classList.add("linked");
      element.addEventListener("click", (event) => event.target.closest("a, button") ?? (location.hash = link(row)));
    }
    return element;
  }

  body.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    const step = { ArrowDown: row.nextSibling, j: row.nextSibling, ArrowUp: row.previousSibling, k: row.previousSibling, Home: body.firstChild, End: body.lastChild }[event.key];
    if (step) {
      event.preventDefault();
      row.tabIndex = -1;
      step.tabIndex = 0;
      step.focus();
    } else if (event.key === "Enter" && event.target === row && link) {
      event.preventDefault();
      row.click();
    }
  });

  async function read(token) {
    const mine = ++asked;
    try {
      const page = await load(token);
      if (mine !== asked) return;
      rows = token ? [...rows, ...page.results] : page.results;
      next = page.next_page_token ?? "";
      error.hidden = true;
    } catch (problem) {
      if (mine === asked) showProblem(error, problem);
    }
    more.hidden = !next;
    draw();
  }

  const extend = () => read(next);
  const reload = () => read("");
  reload();
  return { element, reload, redraw: draw, rows: () => rows, focus: () => body.querySelector('tr[tabindex="0"]')?.focus() };
}
