// One user and the tokens of their systems.

import { get, post } from "../api.js";
import { ask, field, notice, showProblem } from "../dialog.js";
import { h, replace } from "../dom.js";
import { amount, badge, time } from "../format.js";
import { list } from "../list.js";

export function userPage(id) {
  const head = h("div", { class: "card" }, h("h1", { tabindex: -1 }, `User ${id}`));
  const tokens = list({
    label: "Tokens",
    empty: "No token is out.",
    columns: [
      { title: "Kind", cell: (row) => row.kind },
      { title: "For", cell: (row) => row.label },
      { title: "Issued", cell: (row) => time(row.issued_at) },
      { title: "Expires", cell: (row) => time(row.expires_at) },
      { title: "Id", cell: (row) => h("span", { class: "id" }, row.jti) },
      { title: "", cell: (row) => h("button", { type: "button", onclick: () => revoke(row).then((done) => done && tokens.reload()) }, "Revoke") },
    ],
    key: (row) => row.jti,
    load: (token) => get(`/api/auth/users/${id}/tokens/`, { page_token: token }),
  });
  const draw = (user) => replace(head,
    h("a", { class: "back always", href: "#/users" }, "← Users"),
    h("div", { class: "title" }, h("h1", { tabindex: -1 }, user.username), badge(user.disabled ? "disabled" : "active")),
    h("dl", {}, facts(user).map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
    user.disabled ? false : h("div", { class: "actions" },
      h("button", { type: "button", onclick: () => issue(user).then((done) => done && tokens.reload()) }, "New token"),
      h("button", { type: "button", class: "danger", onclick: () => disable(user).then((done) => { if (done) { load(); tokens.reload(); } }) }, "Disable")));
  const load = () => find(id).then(draw).catch((problem) => {
    const error = h("p", { class: "error", role: "alert" });
    showProblem(error, problem);
    head.append(error);
  });
  load();
  return { element: h("div", {}, head, h("h2", {}, "Tokens"), tokens.element), title: `User ${id}` };
}

// Return a user. The list begins right before it: page tokens are opaque, so it is walked from its start.
async function find(id) {
  let token = "";
  do {
    const page = await get("/api/auth/users/", { page_size: 200, page_token: token });
    const found = page.results.find((user) => String(user.id) === id);
    if (found) return found;
    token = page.next_page_token;
  } while (token);
  throw new Error("There is no such user");
}

function facts(user) {
  const limit = user.rate_limit;
  return [
    ["No.", user.id],
    ["Role", user.role],
    ["Vendors", user.vendors?.length ? user.vendors.join(", ") : "none"],
    ["Rate limit", limit ? `${amount(limit.requests)} in ${amount(limit.window_seconds)} s` : "the default"],
    ...(user.approval_limit === undefined ? [] : [["Approval limit", amount(user.approval_limit)]]),
    ["Since", time(user.created_at)],
  ];
}

async function issue(user) {
  const made = await ask({
    title: `New token for ${user.username}`,
    text: ["For a system. It lives 90 days unless revoked."],
    fields: [field("What it is for", h("input", { name: "label", required: true, maxlength: 200 }))],
    action: "Make token",
    act: ({ label }) => post(`/api/auth/users/${user.id}/token/`, { label }),
  });
  if (made) await reveal(made.token);
  return made;
}

function reveal(token) {
  const shown = h("textarea", { name: "token", readonly: true, rows: 6, class: "secret", "aria-label": "Token", onfocus: (event) => event.target.select() });
  shown.value = token;
  return ask({
    title: "The new token",
    text: ["It is shown this once. Copy it now and hand it over by a safe way."],
    fields: [shown],
    action: "Copy and close",
    act: () => navigator.clipboard?.writeText(token).catch(() => { throw new Error("The browser does not let the console copy: select the token and copy it"); }),
  });
}

function revoke(token) {
  return ask({
    title: "Revoke this token?",
    text: ["Every process refuses it within a few seconds, for good.", token.label || `A ${token.kind} token.`],
    action: "Revoke",
    danger: true,
    act: async () => {
      await post("/api/auth/token/revoke/", { jti: token.jti });
      notice("The token is revoked");
    },
  });
}

function disable(user) {
  return ask({
    title: `Disable ${user.username}?`,
    text: ["They cannot sign in any more, and every token they hold is refused. It is for good."],
    action: "Disable",
    danger: true,
    act: async () => {
      await post(`/api/auth/users/${user.id}/disable/`, {});
      notice(`${user.username} is disabled`);
    },
  });
}
