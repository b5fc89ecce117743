// Customers, with search by phone number.

import { get } from "../api.js";
import { h } from "../dom.js";
import { amount, time } from "../format.js";
import { list } from "../list.js";
import { searchBox } from "../search.js";

export function customersPage(query) {
  const search = searchBox("Phone number begins with", query.get("search") ?? "", () => found.reload());
  const found = list({
    label: "Customers",
    empty: "No customer has such a number.",
    columns: [
      { title: "No.", number: true, cell: (row) => row.id },
      { title: "Phone number", cell: (row) => row.phone_number },
      { title: "Balance", number: true, cell: (row) => amount(row.balance) },
      { title: "Since", cell: (row) => time(row.created_at) },
    ],
    load: (token) => get("/api/customer/", { search: search.value().replace(/[\s()-]/g, ""), page_token: token }),
    link: (row) => `#/customers/${row.id}`,
  });
  return { element: h("div", {}, h("div", { class: "title" }, h("h1", { tabindex: -1 }, "Customers")), search.element, found.element), title: "Customers" };
}
