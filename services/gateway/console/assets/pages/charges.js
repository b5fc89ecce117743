// Charges, with filters that are part of the address, so that a view can be kept or sent.

import { get } from "../api.js";
import { field } from "../dialog.js";
import { h } from "../dom.js";
import { amount, badge, time } from "../format.js";
import { list } from "../list.js";
import { named, vendorName } from "../names.js";

const STATES = ["", "accepted", "succeeded", "failed"];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function chargesPage(query) {
  const number = (name) => h("input", { name, type: "number", min: 1, step: 1, value: query.get(name) ?? "", inputmode: "numeric" });
  const when = (name) => h("input", { name, type: "datetime-local", step: 1, value: query.get(name) ?? "" });
  const id = h("input", { type: "search", name: "id", "aria-label": "Charge id or external id", placeholder: "Charge id or external id", value: query.get("id") ?? "", autocomplete: "off", spellcheck: "false" });
  const status = h("select", { name: "status" }, STATES.map((state) => h("option", { value: state, selected: state === (query.get("status") ?? "") }, state || "any")));
  const form = h("form", { class: "filters" }, field("Find", id), field("Vendor", number("vendor")), field("Customer", number("customer")),
    field("Status", status), field("From", when("from")), field("To", when("to")),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Filter"), h("a", { class: "button", href: "#/charges" }, "Clear")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = [...new FormData(form)].filter(([, value]) => value !== "");
    const wanted = id.value.trim().toLowerCase();
    location.hash = UUID.test(wanted) ? `#/charges/${wanted}` : `#/charges?${new URLSearchParams(values)}`;
  });
  const found = list({
    label: "Charges",
    empty: "No charge fits.",
    columns: [
      { title: "Charge", cell: (row) => h("a", { class: "id", href: `#/charges/${row.id}` }, row.id) },
      { title: "Vendor", cell: (row) => h("span", { class: "name" }, vendorName(row.vendor)) },
      { title: "Customer", cell: (row) => `#${row.customer}` },
      { title: "Amount", number: true, cell: (row) => amount(row.amount) },
      { title: "Status", cell: (row) => badge(row.status) },
      { title: "Accepted", cell: (row) => time(row.created_at) },
    ],
    load: async (token) => named(await get("/api/customer/charges/", { ...filters(query), page_token: token })),
    link: (row) => `#/charges/${row.id}`,
  });
  // Filters change the address and nothing else, so the page is made anew for each.
  return { element: h("div", {}, h("div", { class: "title" }, h("h1", { tabindex: -1 }, "Charges")), form, found.element), title: "Charges" };
}

function filters(query) {
  const at = (name) => (query.get(name) ? new Date(query.get(name)).toISOString() : "");
  return { vendor: query.get("vendor"), customer: query.get("customer"), status: query.get("status"), external_id: query.get("id"), from: at("from"), to: at("to") };
}
