// The books of both services and the health of the system, live.

import { get } from "../api.js";
import { showProblem } from "../dialog.js";
import { h, replace } from "../dom.js";
import { amount, badge, span, time } from "../format.js";

const HEALTH_MS = 3_000;
const BOOKS_MS = 10_000;
const BOOKS_SHARE = 10;

export function booksPage() {
  const health = h("section", { class: "card", "aria-label": "Health" });
  const books = h("section", { class: "card", "aria-label": "Books" }, h("h2", {}, "Books"), h("p", { class: "soft" }, "Checking every entry…"));
  const timers = new Map();
  let gone = false;
  const later = (work, pause) => gone || timers.set(work, setTimeout(work, pause));

  async function checkHealth() {
    if (!document.hidden) await readiness().then((parts) => drawHealth(health, parts));
    later(checkHealth, HEALTH_MS);
  }

  async function checkBooks() {
    const started = performance.now();
    try {
      if (!document.hidden) drawBooks(books, (await get("/api/books/")).data);
    } catch (problem) {
      const error = h("p", { class: "error", role: "alert" });
      showProblem(error, problem);
      replace(books, h("h2", {}, "Books"), error);
    }
    // The check reads every entry: on large books it takes its time, and should not be all that the services do.
    later(checkBooks, Math.max(BOOKS_MS, BOOKS_SHARE * (performance.now() - started)));
  }

  checkHealth();
  checkBooks();
  return {
    element: h("div", {}, h("h1", { tabindex: -1 }, "Books & health"), health, books),
    title: "Books & health",
    left: () => { gone = true; timers.forEach(clearTimeout); },
  };
}

// Return the parts of the system and whether each answers; the gateway itself is one of them.
async function readiness() {
  try {
    const answer = await fetch("/ready/", { cache: "no-store", credentials: "omit" });
    return { gateway: true, ...(await answer.json()).parts };
  } catch {
    return { gateway: false };
  }
}

function drawHealth(element, parts) {
  replace(element, h("h2", {}, "Health"), h("ul", { class: "lights" }, Object.entries(parts).map(([name, up]) =>
    h("li", {}, h("span", { class: `light ${up ? "up" : "down"}`, "aria-hidden": "true" }), h("span", {}, name.replaceAll("_", " ")), badge(up ? "up" : "down")))));
}

function drawBooks(element, books) {
  const whole = books.drift === 0 && !(books.findings?.length);
  const sum = [
    ["Vendor balances", books.vendor_balance_total], ["Customer balances", books.customer_balance_total], ["Under way", books.under_way_total],
  ];
  replace(element,
    h("div", { class: "title" }, h("h2", {}, "Books"), badge(whole ? "whole" : "broken")),
    h("div", { class: "figures" },
      figure("Confirmed credit", amount(books.confirmed_credit_total)),
      figure("Drift", amount(books.drift)),
      figure("Charges", amount(books.charges)),
      figure("Pending", amount(books.pending_charges)),
      figure("Oldest pending", books.pending_charges ? span(books.oldest_pending_ms) : "none")),
    h("table", { class: "sum", "aria-label": "Where the credit is" }, h("tbody", {},
      sum.map(([term, value]) => h("tr", {}, h("th", { scope: "row" }, term), h("td", { class: "number" }, amount(value)))),
      h("tr", { class: "total" }, h("th", { scope: "row" }, "Together"), h("td", { class: "number" }, amount(sum.reduce((total, [, value]) => total + value, 0)))))),
    books.findings?.length ? h("ul", { class: "findings" }, books.findings.map((finding) => h("li", {}, finding))) : false,
    h("p", { class: "soft" }, "Every entry was checked ", time(books.checked_at), "."));
}

function figure(term, value) {
  return h("div", {}, h("span", { class: "soft" }, term), h("strong", {}, value));
}
