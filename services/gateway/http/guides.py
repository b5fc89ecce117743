"""The guides for partners: Markdown files beside this module, as pages of the docs."""

from collections.abc import Mapping
from html import escape
from importlib.resources import files

from markdown_it import MarkdownIt

from services.gateway.http.html import page
from services.gateway.sandbox.scripts import CUSTOMERS

DOCS = "/api/docs/"
GUIDES: Mapping[str, str] = {
    "quick-start": "Quick start",
    "retries": "Idempotency and retries",
    "webhooks": "Webhooks",
    "statements": "Statements and receipts",
    "reconciliation": "Reconciliation",
    "sandbox": "Sandbox",
}
"""Name of the file and of the path, and the title in the contents."""


def guide_text(name: str) -> str:
    """Return a guide in Markdown."""
    text = files("services.gateway.http").joinpath("guides", f"{name}.md").read_text("utf-8")
    return text.replace("{{customers}}", _sandbox_customers())


def guide_html(name: str) -> str:
    """Return the page of a guide. Markup in its text is shown, not taken as such."""
    content = MarkdownIt("commonmark", {"html": False}).enable("table").render(guide_text(name))
    # A wide table scrolls within the page.
    content = content.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    return page(GUIDES[name], contents(), content)


def contents() -> str:
    """Return the list of all pages of the docs."""
    pages = {f"{DOCS}{name}/": title for name, title in GUIDES.items()}
    pages |= {DOCS: "API reference", f"{DOCS}errors/": "Error catalogue", "/api/openapi.json": "OpenAPI document"}
    links = "".join(f'<li><a href="{path}">{escape(title)}</a></li>' for path, title in pages.items())
    return f"<ul>{links}</ul>"


def _sandbox_customers() -> str:
    rows = [f"| `{number}` | {script.value} |" for number, script in CUSTOMERS.items()]
    return "\n".join(["| Customer | A charge for it |", "|---|---|", *rows])
