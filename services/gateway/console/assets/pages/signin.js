// Sign in.

import { post } from "../api.js";
import { field, showProblem } from "../dialog.js";
import { h } from "../dom.js";
import { begin, roleOf } from "../session.js";

export function signInPage(done) {
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const username = h("input", { name: "username", autocomplete: "username", required: true, maxlength: 150, autocapitalize: "none", spellcheck: "false" });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: 1000 });
  const form = h("form", { class: "sign-in" },
    h("img", { src: "icon.svg", alt: "", width: 40, height: 40 }),
    h("h1", { tabindex: -1 }, "Charging console"),
    h("p", { class: "soft" }, "For operators."),
    field("User name", username), field("Password", password), error, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const answer = await post("/api/auth/token/", { username: username.value, password: password.value });
      if (roleOf(answer.token) !== "operator") throw new Error("This console is for operators; partners use the API");
      begin(username.value, answer);
      done();
    } catch (problem) {
      showProblem(error, problem);
      password.value = "";
      password.focus();
    }
    button.disabled = false;
  });
  queueMicrotask(() => username.focus());
  return h("main", { class: "centre" }, form);
}
