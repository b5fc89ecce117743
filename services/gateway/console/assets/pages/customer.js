// One customer: the balance, its way there, the ledger.

import { get } from "../api.js";
import { showProblem } from "../dialog.js";
import { h, replace } from "../dom.js";
import { amount, badge, signed, time } from "../format.js";
import { list } from "../list.js";
import { named, vendorName } from "../names.js";
import { plot } from "../plot.js";
import { release } from "./release.js";
import { reference } from "./vendor_history.js";

const PLOTTED = 200;

export function customerPage(id) {
  const head = h("div", { class: "card" }, h("h1", { tabindex: -1 }, `Customer ${id}`));
  const load = () => Promise.all([get(`/api/customer/${id}/`), get(`/api/customer/${id}/entries/`, { page_size: PLOTTED })]).then(([{ data }, page]) => {
    const points = page.results.map((entry) => ({ at: Date.parse(entry.created_at), balance: entry.balance_after })).reverse();
    if (!page.next_page_token && points.length) points.unshift({ at: Date.parse(data.created_at), balance: 0 });
    if (points.length) points.push({ at: Date.now(), balance: data.balance });
    replace(head,
      h("a", { class: "back always", href: "#/customers" }, "← Customers"),
      h("div", { class: "title" }, h("h1", { tabindex: -1 }, data.phone_number), data.stopped && badge("stopped")),
      h("p", { class: "soft" }, `No. ${data.id} · since `, time(data.created_at)),
      h("div", { class: "figures" }, h("div", {}, h("span", { class: "soft" }, "Balance"), h("strong", {}, amount(data.balance)))),
      h("figure", {}, h("figcaption", {}, h("h4", {}, page.next_page_token ? `Balance over the last ${PLOTTED} entries` : "Balance over time")), plot(points, "Balance over time")),
      h("div", { class: "actions" },
        data.stopped && h("button", { type: "button", class: "danger", onclick: () => release(data.phone_number, `/api/customer/${id}/release/`).then((done) => done && load()) }, "Release"),
        h("a", { class: "button", href: `#/charges?customer=${id}` }, "Charges")));
  }).catch((problem) => {
    const error = h("p", { class: "error", role: "alert" });
    showProblem(error, problem);
    head.append(error);
  });
  load();
  const entries = list({
    label: "Ledger entries",
    empty: "No entries yet.",
    columns: [
      { title: "No.", number: true, cell: (row) => amount(row.seq) },
      { title: "Time", cell: (row) => time(row.created_at) },
      { title: "Vendor", cell: (row) => h("a", { href: `#/vendors/${row.vendor}` }, vendorName(row.vendor)) },
      { title: "Kind", cell: (row) => row.kind },
      { title: "Amount", number: true, cell: (row) => signed(row.amount) },
      { title: "Balance after", number: true, cell: (row) => amount(row.balance_after) },
      { title: "Reference", cell: reference },
    ],
    key: (row) => row.seq,
    load: async (token) => named(await get(`/api/customer/${id}/entries/`, { page_token: token })),
  });
  return { element: h("div", {}, head, h("h2", {}, "Ledger"), entries.element), title: `Customer ${id}` };
}
