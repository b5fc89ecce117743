// The frame of the console: who is signed in, which page is shown, and the keys that work everywhere.

import { post } from "./api.js";
import { notice } from "./dialog.js";
import { h, replace, typing } from "./dom.js";
import { current, end } from "./session.js";
import { booksPage } from "./pages/books.js";
import { chargePage } from "./pages/charge.js";
import { chargesPage } from "./pages/charges.js";
import { customerPage } from "./pages/customer.js";
import { customersPage } from "./pages/customers.js";
import { requestsPage } from "./pages/requests.js";
import { reversalPage } from "./pages/reversal.js";
import { signInPage } from "./pages/signin.js";
import { userPage } from "./pages/user.js";
import { usersPage } from "./pages/users.js";
import { vendorPage } from "./pages/vendor.js";
import { vendorsPage } from "./pages/vendors.js";

const PAGES = [
  { name: "requests", title: "Approvals", pattern: /^requests(?:\/(\d+))?$/, page: requestsPage },
  { name: "vendors", title: "Vendors", pattern: /^vendors$/, page: vendorsPage },
  { name: "vendors", pattern: /^vendors\/(\d+)$/, page: vendorPage },
  { name: "customers", title: "Customers", pattern: /^customers$/, page: customersPage },
  { name: "customers", pattern: /^customers\/(\d+)$/, page: customerPage },
  { name: "charges", title: "Charges", pattern: /^charges$/, page: chargesPage },
  { name: "charges", pattern: /^charges\/([0-9a-f-]{36})$/, page: chargePage },
  { name: "charges", pattern: /^reversals\/([0-9a-f-]{36})$/, page: reversalPage },
  { name: "books", title: "Books & health", pattern: /^books$/, page: booksPage },
  { name: "users", title: "Users", pattern: /^users$/, page: usersPage },
  { name: "users", pattern: /^users\/(\d+)$/, page: userPage },
];
const MENU = PAGES.filter((page) => page.title);
const app = document.getElementById("app");
let leave = () => {};
let shownPage = null;

// Show the page that the address names. A page is a function of the address's values; it returns an element, and what to do when it is left.
// A page with `update` is kept while only its values change.
function show() {
  const session = current();
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const found = PAGES.map((page) => ({ ...page, match: page.pattern.exec(path) })).find((page) => page.match);
  if (!session) return switchTo(null, () => ({ element: signInPage(show), title: "Sign in" }), []);
  if (!found) return void location.replace("#/requests");
  const values = [...found.match.slice(1), new URLSearchParams(query)];
  if (shownPage?.page === found.page && shownPage.update) return void shownPage.update(...values);
  switchTo(found, found.page, values, session);
}

function switchTo(found, page, values, session) {
  leave();
  const { element, title, left = () => {}, update } = page(...values);
  leave = left;
  shownPage = { page: found?.page, update };
  document.title = `${title} · Charging console`;
  replace(app, session ? frame(found.name, element, session) : element);
  window.scrollTo(0, 0);
  app.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  document.querySelector("h1")?.focus({ preventScroll: true });
}

function frame(name, content, session) {
  const links = MENU.map((page, place) =>
    h("a", { href: `#/${page.name}`, "aria-current": page.name === name && "page", "aria-keyshortcuts": place + 1 }, page.title));
  return h("div", { class: "frame" },
    h("a", { class: "skip", href: "#content", onclick: skip }, "Skip to content"),
    h("header", {},
      h("a", { class: "brand", href: "#/requests" }, h("img", { src: "icon.svg", alt: "", width: 24, height: 24 }), "Charging"),
      h("nav", { "aria-label": "Pages" }, links),
      h("div", { class: "account" }, h("span", {}, session.username), h("button", { type: "button", onclick: signOut }, "Sign out"))),
    h("main", { id: "content", tabindex: -1 }, content));
}

function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

async function signOut() {
  try {
    await post("/api/auth/token/revoke/", {});
  } catch (problem) {
    notice(`Signed out here; the token could not be revoked: ${problem.message}`, "failed");
  }
  end();
  show();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event) || !current()) return;
  const page = MENU[Number(event.key) - 1];
  if (page) location.hash = `#/${page.name}`;
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
window.addEventListener("hashchange", show);
window.addEventListener("signedout", () => {
  notice("You were signed out. Sign in again to go on.", "failed");
  show();
});
show();
