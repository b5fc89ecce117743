// One charge: what became of it, step by step, each with the time at which it was written down.

import { get } from "../api.js";
import { showProblem } from "../dialog.js";
import { h, replace } from "../dom.js";
import { amount, badge, signed, span, time } from "../format.js";
import { named, vendorName } from "../names.js";

const REFRESH_MS = 1_000;

export function chargePage(id) {
  const element = h("div", { class: "card" }, h("h1", { tabindex: -1 }, "Charge"));
  let timer = 0;
  let gone = false;
  async function load() {
    try {
      const { data } = await get(`/api/customer/charges/${id}/`);
      const reference = { reference: id, page_size: 10 };
      const [debits, credits, reversals] = await Promise.all([
        get(`/api/vendor/${data.vendor}/entries/`, reference), get(`/api/customer/${data.customer}/entries/`, reference),
        get("/api/customer/reversals/", { charge: id, page_size: 200 }), named({ results: [data] }),
      ]);
      if (gone) return;
      draw(element, data, debits.results[0], credits.results[0], reversals.results);
      if (data.status === "accepted" || reversals.results.some((each) => each.status === "accepted")) timer = setTimeout(load, REFRESH_MS);
    } catch (problem) {
      const error = h("p", { class: "error", role: "alert" });
      showProblem(error, problem);
      replace(element, h("a", { class: "back always", href: "#/charges" }, "← Charges"), h("h1", { tabindex: -1 }, "Charge"), error);
    }
  }
  load();
  return { element, title: "Charge", left: () => { gone = true; clearTimeout(timer); } };
}

function draw(element, charge, debit, credit, reversals) {
  const notes = Object.entries(charge.metadata ?? {});
  const facts = [
    ["Id", h("code", {}, charge.id)],
    ["Vendor", h("a", { href: `#/vendors/${charge.vendor}` }, vendorName(charge.vendor))],
    ["Customer", h("a", { href: `#/customers/${charge.customer}` }, `Customer ${charge.customer}`)],
    charge.external_id && ["External id", charge.external_id],
    notes.length && ["Metadata", notes.map(([name, value]) => h("div", {}, h("span", { class: "soft" }, `${name}: `), value))],
    charge.reversed_amount && ["Reversed", amount(charge.reversed_amount)],
  ];
  replace(element,
    h("a", { class: "back always", href: "#/charges" }, "← Charges"),
    h("div", { class: "title" }, h("h1", { tabindex: -1 }, "Charge"), badge(charge.status)),
    h("p", { class: "big" }, amount(charge.amount)),
    h("dl", {}, facts.filter(Boolean).map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])),
    h("h2", {}, "Steps"), h("ol", { class: "steps", "aria-label": "Steps" }, steps(charge, debit, credit, reversals)));
}

function steps(charge, debit, credit, reversals) {
  const start = Date.parse(charge.created_at);
  const step = (title, at, text, kind = "done") => h("li", { class: kind }, h("strong", {}, title),
    at ? h("span", { class: "soft" }, time(at), at === charge.created_at ? "" : ` · after ${span(Date.parse(at) - start)}`) : h("span", { class: "soft" }, "not yet"),
    h("span", {}, text));
  const found = [step("Accepted", charge.created_at, "Durable; it reaches its end whatever crashes.")];
  if (charge.status === "failed") {
    const { reason = "unknown", available, shortfall } = charge.failure ?? {};
    const missing = shortfall ? ` It had ${amount(available)}; ${amount(shortfall)} were missing.` : "";
    return [...found, step("Refused", charge.settled_at, `${reason.replaceAll("_", " ")}.${missing} No balance was changed.`, "bad")];
  }
  found.push(debit ? step("Debited", debit.created_at, `Vendor ${signed(debit.amount)}, balance ${amount(debit.balance_after)} (entry ${amount(debit.seq)}).`) : step("Debited", "", "", "open"));
  found.push(credit ? step("Credited", credit.created_at, `Customer ${signed(credit.amount)}, balance ${amount(credit.balance_after)} (entry ${amount(credit.seq)}).`) : step("Credited", "", "", "open"));
  // Credit and end are written in one transaction, whose two times are read a moment apart.
  const settled = credit && charge.settled_at < credit.created_at ? credit.created_at : charge.settled_at;
  found.push(charge.settled_at ? step("Settled", settled, "Final.") : step("Settled", "", "", "open"));
  // Listed by when they were asked for; the steps are told by when each came to its end.
  const told = (reversal) => Date.parse(reversal.settled_at ?? reversal.created_at);
  for (const reversal of reversals.toReversed().sort((one, other) => told(one) - told(other))) {
    const kind = { accepted: "open", failed: "bad" }[reversal.status] ?? "done";
    const why = reversal.failure?.reason ? ` (${reversal.failure.reason.replaceAll("_", " ")})` : "";
    found.push(step(`Reversal ${reversal.status}`, reversal.settled_at ?? reversal.created_at, `${amount(reversal.amount)} back to the vendor: ${reversal.reason}${why}`, kind));
  }
  return found;
}
