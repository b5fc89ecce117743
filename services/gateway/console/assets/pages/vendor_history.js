// What there is to know of a vendor: what it holds, how that came about, and what it asked for before.

import { get } from "../api.js";
import { showProblem } from "../dialog.js";
import { h, replace } from "../dom.js";
import { ago, amount, badge, signed, time } from "../format.js";
import { list } from "../list.js";
import { plot } from "../plot.js";
import { vendorState } from "./vendor_fields.js";

const RANGES = [["All time", null], ["30 days", 30], ["7 days", 7], ["24 hours", 1]];
const DAY_MS = 86_400_000;
const SHOWN = 5;

// Return figures, plot and the last requests of a vendor, for the queue.
export function vendorHistory(id) {
  const element = h("div", { class: "card" }, h("p", { class: "soft" }, "Loading…"));
  Promise.all([get(`/api/vendor/${id}/`), get("/api/vendor/requests/", { vendor: id, page_size: SHOWN })]).then(([vendor, requests]) => {
    replace(element, h("div", { class: "title" }, h("h3", {}, "The vendor's history"), vendorState(vendor.data) !== "active" && badge(vendorState(vendor.data))), figures(vendor.data), balancePlot(id),
      h("h4", {}, "Last requests"),
      h("ul", { class: "plain" }, requests.results.map((each) =>
        h("li", {}, h("a", { href: `#/requests/${each.id}` }, `#${each.id}`), h("span", { class: "number" }, amount(each.amount)), badge(each.status), ago(each.created_at)))));
  }).catch((problem) => showProblem(element, problem));
  return element;
}

export function figures(vendor) {
  const shown = [["Balance", amount(vendor.balance)], ["Credit limit", amount(vendor.credit_limit)], ["Available", amount(vendor.available)]];
  if (vendor.low_balance_threshold) shown.push(["Low below", amount(vendor.low_balance_threshold)]);
  if (vendor.duplicate_window_seconds) shown.push(["Duplicates refused within", `${vendor.duplicate_window_seconds} s`]);
  return h("div", { class: "figures" }, shown.map(([term, value]) => h("div", {}, h("span", { class: "soft" }, term), h("strong", {}, value))));
}

// Return the plot of a vendor's balance, with a choice of time.
export function balancePlot(id) {
  const place = h("div");
  async function draw(days) {
    const from = days ? new Date(Date.now() - days * DAY_MS) : null;
    try {
      const { results } = await get(`/api/vendor/${id}/balances/`, { from: from?.toISOString(), points: 200 });
      const points = results.map((each) => ({ at: Date.parse(each.created_at), balance: each.balance }));
      // The first point may be older than the range: it says what was held when the range began. The last balance holds until now.
      if (from && points.length && points[0].at < from) points[0].at = from.getTime();
      if (points.length) points.push({ at: Date.now(), balance: points.at(-1).balance });
      replace(place, plot(points, "Balance over time"));
    } catch (problem) {
      const error = h("p", { class: "error" });
      showProblem(error, problem);
      replace(place, error);
    }
  }
  const choice = h("select", { "aria-label": "Time shown", onchange: (event) => draw(Number(event.target.value)) },
    RANGES.map(([title, days]) => h("option", { value: days ?? "" }, title)));
  draw(null);
  return h("figure", {}, h("figcaption", { class: "title" }, h("h4", {}, "Balance over time"), choice), place);
}

// Return the vendor's ledger.
export function vendorEntries(id) {
  return list({
    label: "Ledger entries",
    empty: "No entries yet.",
    columns: [
      { title: "No.", number: true, cell: (row) => amount(row.seq) },
      { title: "Time", cell: (row) => time(row.created_at) },
      { title: "Kind", cell: (row) => row.kind },
      { title: "Amount", number: true, cell: (row) => signed(row.amount) },
      { title: "Balance after", number: true, cell: (row) => amount(row.balance_after) },
      { title: "Reference", cell: reference },
    ],
    key: (row) => row.seq,
    load: (token) => get(`/api/vendor/${id}/entries/`, { page_token: token }),
  }).element;
}

// Return the link from a ledger entry to what made it.
export function reference(row) {
  if (row.kind === "charge") return h("a", { class: "id", href: `#/charges/${row.reference}` }, row.reference);
  if (row.kind === "credit") return h("a", { class: "id", href: `#/requests/${row.reference}` }, `request #${row.reference}`);
  if (row.kind === "reversal") return h("a", { class: "id", href: `#/reversals/${row.reference}` }, row.reference);
  return h("span", { class: "id" }, row.reference);
}
