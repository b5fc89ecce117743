"""Statements and receipts: fetch them, and verify them without believing anybody."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from charging_cli.failures import REFUSED
from charging_cli.output import show
from charging_cli.session import Command, Session, pass_session

KINDS = {"ndjson": "application/x-ndjson", "csv": "text/csv"}


@click.command(cls=Command)
@click.argument("vendor", type=click.IntRange(1))
@click.option("--from", "start", required=True, metavar="TIME", help="The period begins at this time (RFC 3339).")
@click.option("--to", "end", required=True, metavar="TIME", help="The period ends before this time, which must be over.")
@click.option("--format", "kind", type=click.Choice(list(KINDS)), default="ndjson", show_default=True, help="ndjson can be verified.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write. Else standard output.")
@pass_session
def statement(session: Session, vendor: int, start: str, end: str, kind: str, output: Path | None) -> None:
    """Fetch the statement of VENDOR for a period that is over."""
    api = session.api()
    chunks = api.stream(f"/api/vendor/{vendor}/statement/", {"from": start, "to": end}, KINDS[kind])
    if output is None:
        for chunk in chunks:
            click.echo(chunk, nl=False)
        return
    # Half a statement must not look like a whole one: the name appears when all of it is there.
    draft = output.with_name(f".{output.name}.draft")
    with draft.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
    draft.replace(output)
    show(session, {"written": str(output)}, f"written: {output}")


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The public keys, kept from a time when they were trusted: the answer of `GET /api/auth/keys/`. Else they are fetched now.",
)
@click.pass_context
def verify(context: click.Context, file: Path, keys: Path | None) -> None:
    """Verify a statement or receipt: its signature, every entry, and the chain between them. Exit status 1 when it does not hold."""
    # Not at the top: all other commands do without cryptography, which takes its time to load.
    from charging_cli.verifier.files import UnreadableFileError
    from charging_cli.verifier.key_sets import read_key_set
    from charging_cli.verifier.verify import verify_file

    session = context.ensure_object(Session)
    try:
        if keys is not None:
            trusted = read_key_set(keys)
        else:
            click.echo(f"note: the keys come from {session.url} just now; keep them in a file to need nobody", err=True)
            with TemporaryDirectory() as folder:
                fetched = Path(folder) / "keys.json"
                fetched.write_text(json.dumps(session.api().get("/api/auth/keys/")))
                trusted = read_key_set(fetched)
        verdict = verify_file(file, trusted)
    except (OSError, ValueError, UnreadableFileError) as error:
        raise click.UsageError(f"cannot be verified: {error}") from None
    answer = {"holds": verdict.holds, "summary": verdict.summary, "findings": list(verdict.findings)}
    lines = [*(f"FALSE  {finding}" for finding in verdict.findings), f"{'true' if verdict.holds else 'FALSE'}: {verdict.summary}"]
    show(session, answer, "\n".join(lines))
    if not verdict.holds:
        context.exit(REFUSED)
