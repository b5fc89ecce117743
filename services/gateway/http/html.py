"""The frame and the small parts of the HTML pages. Everything from outside is escaped here."""

import base64
import hashlib
import re
from functools import cache
from html import escape
from importlib.resources import files


@cache
def stylesheet() -> str:
    """Return the style that every page carries along."""
    return files("services.gateway.http").joinpath("reference.css").read_text("utf-8")


def content_security_policy() -> bytes:
    """Return the policy of the pages: their own style, known by its hash, and nothing else from anywhere."""
    style = base64.b64encode(hashlib.sha256(stylesheet().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'".encode()


def page(title: str, navigation: str, content: str) -> str:
    """Return a whole page."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{stylesheet()}</style></head>\n"
        f'<body><div class="page"><nav aria-label="Contents">{navigation}</nav>\n<main>{content}</main></div></body></html>\n'
    )


def prose(text: str) -> str:
    """Return paragraphs of text; what stands in backticks becomes code."""
    return "".join(f"<p>{inline(paragraph)}</p>" for paragraph in text.split("\n\n") if paragraph.strip())


def inline(text: str) -> str:
    """Return escaped text; what stands in backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def code(text: str) -> str:
    """Return a block of code."""
    return f"<pre><code>{escape(text)}</code></pre>"


def table(headings: list[str], rows: list[list[str]]) -> str:
    """Return a table; the cells are HTML already."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
