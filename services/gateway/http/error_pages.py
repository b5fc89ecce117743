"""The error catalogue as a page; the `type` of every problem document points into it."""

from html import escape

from services.gateway.http.catalogue import CATALOGUE
from services.gateway.http.guides import contents
from services.gateway.http.html import code, inline, page, prose

_INTRODUCTION = """\
Every refusal is a problem document (RFC 9457) of the media type `application/problem+json`. Decide by `status` and `reason`; the texts are
for people and may change. `errors` names the fields that are wrong, as they are called in the request. Quote `request_id` when you ask for
help."""

_EXAMPLE = """\
{
  "type": "/api/docs/errors/#INVALID_ARGUMENT",
  "title": "The request is wrong",
  "status": 400,
  "detail": "amount must be an integer",
  "reason": "INVALID_ARGUMENT",
  "request_id": "0199f2c4-6d1e-7a53-8f0b-2c9d4be17a60",
  "errors": [{"field": "amount", "message": "must be an integer"}]
}"""


def errors_html() -> str:
    """Return the page of the error catalogue."""
    navigation = "".join(f'<li><a href="#{name}">{escape(name)}</a></li>' for name in CATALOGUE)
    sections = "".join(
        f'<section id="{name}"><h3><span class="method">{reason.status}</span> <span class="path">{name}</span></h3>'
        f"<p>{inline(reason.title)}. {inline(reason.remedy)}</p></section>"
        for name, reason in CATALOGUE.items()
    )
    content = f"<h1>Error catalogue</h1>{prose(_INTRODUCTION)}{code(_EXAMPLE)}{sections}"
    return page("Error catalogue", f"{contents()}<ul>{navigation}</ul>", content)
