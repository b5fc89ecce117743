// The approval queue: what waits for a decision, and what there is to know before deciding.

import { get, post } from "../api.js";
import { ask, field, notice, showProblem } from "../dialog.js";
import { h, replace, typing } from "../dom.js";
import { ago, amount, badge, time } from "../format.js";
import { list } from "../list.js";
import { named, vendorName } from "../names.js";
import { vendorHistory } from "./vendor_history.js";

const REFRESH_MS = 5_000;
const STATES = ["pending", "approved", "confirmed", "rejected", "cancelled", "expired", ""];

export function requestsPage(id, query) {
  let selected = id;
  let status = query.get("status") ?? "pending";
  const detail = h("section", { class: "detail", "aria-label": "Request" });
  const queue = list({
    label: "Credit requests",
    empty: "Nothing waits for a decision.",
    columns: [
      { title: "Request", cell: (row) => `#${row.id}` },
      { title: "Vendor", cell: (row) => h("span", { class: "name" }, vendorName(row.requester)) },
      { title: "Amount", number: true, cell: (row) => amount(row.amount) },
      { title: "Status", cell: (row) => badge(row.status) },
      { title: "Asked", cell: (row) => ago(row.created_at) },
    ],
    load: async (token) => named(await get("/api/vendor/requests/", { status, page_token: token })),
    link: (row) => `#/requests/${row.id}`,
    selected: () => selected,
  });
  const choice = h("select", { "aria-label": "Status", onchange: (event) => { status = event.target.value; queue.reload(); } },
    STATES.map((state) => h("option", { value: state, selected: state === status }, state || "all")));
  const panes = h("div", { class: "panes" }, queue.element, detail);
  const keys = h("p", { class: "keys soft" }, h("kbd", {}, "↑"), h("kbd", {}, "↓"), " move · ", h("kbd", {}, "Enter"), " open · ", h("kbd", {}, "a"), " approve · ", h("kbd", {}, "r"), " reject");
  const element = h("div", {}, h("div", { class: "title" }, h("h1", { tabindex: -1 }, "Approvals"), choice), keys, panes);
  let shown = null;

  async function open() {
    panes.classList.toggle("opened", Boolean(selected));
    queue.redraw();
    shown = null;
    if (!selected) return void replace(detail, h("p", { class: "empty" }, "Choose a request to see the vendor's history."));
    const asked = selected;
    try {
      const { data } = await get(`/api/vendor/requests/${asked}/`);
      if (asked !== selected) return;
      shown = data;
      replace(detail, card(data, decide), vendorHistory(data.requester));
    } catch (problem) {
      const error = h("p", { class: "error", role: "alert" });
      showProblem(error, problem);
      replace(detail, error);
    }
  }

  async function decide(deed) {
    if (!shown || shown.status !== "pending") return;
    const request = shown;
    if (await (deed === "approve" ? approve(request) : reject(request))) {
      await queue.reload();
      queue.focus();
      await open();
    }
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event)) return;
    if (event.key === "a") decide("approve");
    else if (event.key === "r") decide("reject");
    else if (event.key === "Escape" && selected) location.hash = "#/requests";
    else if ((event.key === "ArrowDown" || event.key === "j") && !event.target.closest("tr")) queue.focus();
    else return;
    event.preventDefault();
  }

  document.addEventListener("keydown", pressed);
  const timer = setInterval(() => document.hidden || document.querySelector("dialog[open]") || queue.reload(), REFRESH_MS);
  open();
  return {
    element,
    title: "Approvals",
    left: () => { clearInterval(timer); document.removeEventListener("keydown", pressed); },
    update: (next) => { selected = next; open(); },
  };
}

function card(request, decide) {
  const approvals = request.approvals ?? { needed: 1, given: [] };
  const facts = [
    ["Vendor", h("a", { href: `#/vendors/${request.requester}` }, vendorName(request.requester))],
    ["Asked", [time(request.created_at), request.submitted_by && ` by ${request.submitted_by}`]],
    request.note && ["Note", request.note],
    request.evidence_reference && ["Evidence", request.evidence_reference],
    (approvals.needed > 1 || approvals.given?.length) && ["Approvals", `${approvals.given?.length ?? 0} of ${approvals.needed}${names(approvals.given)}`],
    request.expires_at && ["Expires", time(request.expires_at)],
    request.decided_by && ["Decided by", request.decided_by],
    request.reason && ["Reason", request.reason],
  ];
  const buttons = request.status === "pending" && h("div", { class: "actions" },
    h("button", { type: "button", class: "primary", "aria-keyshortcuts": "a", onclick: () => decide("approve") }, "Approve"),
    h("button", { type: "button", "aria-keyshortcuts": "r", onclick: () => decide("reject") }, "Reject"));
  return h("div", { class: "card" },
    h("a", { class: "back", href: "#/requests" }, "← All requests"),
    h("div", { class: "title" }, h("h2", {}, `Request #${request.id}`), badge(request.status)),
    h("p", { class: "big" }, amount(request.amount)),
    h("dl", {}, facts.filter(Boolean).map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
    buttons);
}

function names(given = []) {
  const known = given.map((each) => each.approved_by).filter(Boolean);
  return known.length ? `, by ${known.join(" and ")}` : "";
}

function approve(request) {
  return ask({
    title: `Approve ${amount(request.amount)}?`,
    text: [`${vendorName(request.requester)} can spend it at once. An approval cannot be taken back.`],
    action: "Approve",
    act: async () => {
      const answer = await post("/api/vendor/approve-request/", { request_credit_id: request.id });
      notice(answer.status === "awaits_second_approval" ? `Request #${request.id} awaits a second approval` : `Request #${request.id} is approved`);
    },
  });
}

function reject(request) {
  return ask({
    title: `Reject request #${request.id}?`,
    fields: [field("Reason, for the vendor to read", h("textarea", { name: "reason", required: true, maxlength: 500, rows: 3 }))],
    action: "Reject",
    danger: true,
    act: async ({ reason }) => {
      await post("/api/vendor/reject-request/", { request_credit_id: request.id, reason });
      notice(`Request #${request.id} is rejected`);
    },
  });
}
