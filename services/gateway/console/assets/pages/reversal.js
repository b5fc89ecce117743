// A reversal is shown among the steps of its charge: whoever comes with its id is led there.

import { get } from "../api.js";
import { showProblem } from "../dialog.js";
import { h } from "../dom.js";

export function reversalPage(id) {
  const error = h("p", { class: "error", role: "alert", hidden: true });
  get(`/api/customer/reversals/${id}/`).then(({ data }) => location.replace(`#/charges/${data.charge}`), (problem) => showProblem(error, problem));
  return { element: h("div", { class: "card" }, h("h1", { tabindex: -1 }, "Reversal"), error), title: "Reversal" };
}
