// Vendors, with search.

import { get, newKey, post } from "../api.js";
import { ask, field, notice } from "../dialog.js";
import { h } from "../dom.js";
import { amount, badge, time } from "../format.js";
import { list } from "../list.js";
import { searchBox } from "../search.js";
import { duplicateWindow, lowBalance, vendorState } from "./vendor_fields.js";

export function vendorsPage(query) {
  const search = searchBox("Name or number", query.get("search") ?? "", () => found.reload());
  const found = list({
    label: "Vendors",
    empty: "No vendor is called so.",
    columns: [
      { title: "No.", number: true, cell: (row) => row.id },
      { title: "Name", cell: (row) => h("span", { class: "name" }, row.name) },
      { title: "Balance", number: true, cell: (row) => amount(row.balance) },
      { title: "Available", number: true, cell: (row) => amount(row.available) },
      { title: "State", cell: (row) => badge(vendorState(row)) },
      { title: "Since", cell: (row) => time(row.created_at) },
    ],
    load: (token) => get("/api/vendor/", { search: search.value(), page_token: token }),
    link: (row) => `#/vendors/${row.id}`,
  });
  const add = h("button", { type: "button", onclick: create }, "New vendor");
  return { element: h("div", {}, h("div", { class: "title" }, h("h1", { tabindex: -1 }, "Vendors"), add), search.element, found.element), title: "Vendors" };
}

function create() {
  const key = newKey();
  return ask({
    title: "New vendor",
    fields: [
      field("Name", h("input", { name: "name", required: true, maxlength: 200 })),
      field("Credit limit", h("input", { name: "limit", type: "number", min: 0, max: 1e12, step: 1, value: 0, required: true, inputmode: "numeric" }), "How far below 0 the balance may fall, in minor units."),
      lowBalance(0),
      duplicateWindow(0),
    ],
    action: "Create",
    act: async ({ name, limit, threshold, window }) => {
      const numbers = { credit_limit: Number(limit), low_balance_threshold: Number(threshold), duplicate_window_seconds: Number(window) };
      const { data } = await post("/api/vendor/", { name, ...numbers }, key);
      notice(`Vendor ${data.id} is created`);
      location.hash = `#/vendors/${data.id}`;
    },
  });
}
