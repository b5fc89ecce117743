// Users.

import { get, post } from "../api.js";
import { ask, field, notice } from "../dialog.js";
import { h } from "../dom.js";
import { badge, time } from "../format.js";
import { list } from "../list.js";

const ROLES = ["partner", "service", "operator"];

export function usersPage() {
  const found = list({
    label: "Users",
    columns: [
      { title: "No.", number: true, cell: (row) => row.id },
      { title: "User name", cell: (row) => row.username },
      { title: "Role", cell: (row) => row.role },
      { title: "Vendors", cell: (row) => (row.vendors ?? []).join(", ") },
      { title: "State", cell: (row) => badge(row.disabled ? "disabled" : "active") },
      { title: "Since", cell: (row) => time(row.created_at) },
    ],
    load: (token) => get("/api/auth/users/", { page_token: token }),
    link: (row) => `#/users/${row.id}`,
  });
  const add = h("button", { type: "button", onclick: () => create().then((done) => done && found.reload()) }, "New user");
  const rotate = h("button", { type: "button", onclick: rotateKey }, "Rotate signing key");
  const head = h("div", { class: "title" }, h("h1", { tabindex: -1 }, "Users"), h("div", { class: "actions" }, add, rotate));
  return { element: h("div", {}, head, found.element), title: "Users" };
}

function create() {
  return ask({
    title: "New user",
    fields: [
      field("User name", h("input", { name: "username", required: true, maxlength: 150, pattern: "[A-Za-z0-9.@_\\-]+", autocomplete: "off" })),
      field("Password", h("input", { name: "password", type: "password", required: true, minlength: 8, maxlength: 1000, autocomplete: "new-password" }), "8 characters or more."),
      field("Role", h("select", { name: "role" }, ROLES.map((role) => h("option", { value: role }, role)))),
      field("Vendors", h("input", { name: "vendors", pattern: "\\s*(\\d+(\\s*,\\s*\\d+)*)?\\s*", inputmode: "numeric" }), "Numbers, with commas between. Operators own none."),
      field("Approval limit", h("input", { name: "limit", type: "number", min: 0, max: 1e12, step: 1, inputmode: "numeric" }), "Of an operator: the largest credit request they may approve. Empty: any."),
    ],
    action: "Create",
    act: async ({ username, password, role, vendors, limit }) => {
      const ids = vendors.split(",").map((text) => text.trim()).filter(Boolean).map(Number);
      const { data } = await post("/api/auth/users/", { username, password, role, ...(ids.length ? { vendors: ids } : {}), ...(limit ? { approval_limit: Number(limit) } : {}) });
      notice(`User ${data.username} is created`);
    },
  });
}

function rotateKey() {
  return ask({
    title: "Rotate the signing key?",
    text: ["New tokens are signed with a new key. Tokens that are out stay valid until they expire."],
    action: "Rotate",
    act: async () => {
      const { kid } = await post("/api/auth/keys/rotate/", {});
      notice(`Key ${kid} signs from now on`);
    },
  });
}
