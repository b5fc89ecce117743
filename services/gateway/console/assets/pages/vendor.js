// One vendor: what it holds, its limits, its balance over time, its ledger.

import { get, patch } from "../api.js";
import { ask, field, notice, showProblem } from "../dialog.js";
import { h, replace } from "../dom.js";
import { badge, time } from "../format.js";
import { remember } from "../names.js";
import { release } from "./release.js";
import { duplicateWindow, lowBalance, vendorState } from "./vendor_fields.js";
import { balancePlot, figures, vendorEntries } from "./vendor_history.js";

export function vendorPage(id) {
  const head = h("div", { class: "card" }, h("h1", { tabindex: -1 }, `Vendor ${id}`));
  const draw = (vendor) => {
    remember(vendor);
    replace(head,
      h("a", { class: "back always", href: "#/vendors" }, "← Vendors"),
      h("div", { class: "title" }, h("h1", { tabindex: -1 }, vendor.name), badge(vendorState(vendor))),
      h("p", { class: "soft" }, `No. ${vendor.id} · since `, time(vendor.created_at)),
      figures(vendor), balancePlot(id),
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: () => edit(vendor).then((done) => done && load()) }, "Edit"),
        h("button", { type: "button", onclick: () => suspend(vendor).then((done) => done && load()) }, vendor.suspended ? "Resume" : "Suspend"),
        vendor.stopped && h("button", { type: "button", class: "danger", onclick: () => release(vendor.name, `/api/vendor/${id}/release/`).then((done) => done && load()) }, "Release"),
        h("a", { class: "button", href: `#/charges?vendor=${id}` }, "Charges")));
  };
  const load = () => get(`/api/vendor/${id}/`).then(({ data }) => draw(data)).catch((problem) => {
    const error = h("p", { class: "error", role: "alert" });
    showProblem(error, problem);
    head.append(error);
  });
  load();
  return { element: h("div", {}, head, h("h2", {}, "Ledger"), vendorEntries(id)), title: `Vendor ${id}` };
}

function edit(vendor) {
  return ask({
    title: `Edit ${vendor.name}`,
    fields: [
      field("Name", h("input", { name: "name", required: true, maxlength: 200, value: vendor.name })),
      field("Credit limit", h("input", { name: "limit", type: "number", min: 0, max: 1e12, step: 1, required: true, value: vendor.credit_limit, inputmode: "numeric" })),
      lowBalance(vendor.low_balance_threshold),
      duplicateWindow(vendor.duplicate_window_seconds),
    ],
    action: "Save",
    act: async ({ name, limit, threshold, window }) => {
      const numbers = { credit_limit: Number(limit), low_balance_threshold: Number(threshold), duplicate_window_seconds: Number(window) };
      await patch(`/api/vendor/${vendor.id}/`, { name, ...numbers });
      notice("Saved");
    },
  });
}

function suspend(vendor) {
  const wanted = !vendor.suspended;
  return ask({
    title: wanted ? `Suspend ${vendor.name}?` : `Let ${vendor.name} charge again?`,
    text: [wanted ? "Its charges fail from now on. Nothing it holds is lost." : "Its charges succeed again from now on."],
    action: wanted ? "Suspend" : "Resume",
    danger: wanted,
    act: async () => {
      await patch(`/api/vendor/${vendor.id}/`, { suspended: wanted });
      notice(wanted ? `${vendor.name} is suspended` : `${vendor.name} may charge again`);
    },
  });
}
