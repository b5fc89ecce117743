"""The figures as lines for a terminal."""

import click

from charging_cli.top.figures import Books, Figures, Traffic


def lines(figures: Figures, url: str, clock: str) -> list[str]:
    """Return the screen."""
    shown = [f"charging at {url}, {clock}", ""]
    shown += (
        _books(figures.books) if figures.books is not None else ["books     an operator's token shows them: charging token create USERNAME"]
    )
    shown += (
        _traffic(figures.traffic)
        if figures.traffic is not None
        else ["", "metrics   none found; name them with --metrics http://HOST:PORT/metrics"]
    )
    return shown


def _books(books: Books) -> list[str]:
    state = click.style("whole", fg="green") if books.whole else click.style("BROKEN", fg="red", bold=True)
    wrong = f"drift {books.drift}, findings {books.findings}, stopped {books.stopped}, blocked {books.blocked}"
    return [f"books     {state}: {wrong}", f"backlog   {books.pending} charges, the oldest {_time(books.oldest_seconds)}"]


def _traffic(traffic: Traffic) -> list[str]:
    trusted = {None: "unknown", True: click.style("trusted", fg="green"), False: click.style("out", fg="red")}[traffic.redis_trusted]
    return [
        f"rates     accepted {traffic.accepted:.1f}/s, settled {traffic.settled:.1f}/s, calls {traffic.calls:.1f}/s, "
        + _alarming(f"failed {traffic.failed:.1f}/s", traffic.failed > 0),
        f"accept    p50 {_time(traffic.accept_p50)}, p99 {_time(traffic.accept_p99)}",
        f"lag       p50 {_time(traffic.settle_p50)}, p99 {_time(traffic.settle_p99)} from accepted to final",
        f"batches   {_pairs(traffic.batch)}",
        f"waiting   {_pairs(traffic.waiting)}",
        f"postgres  {traffic.connections_used} of {traffic.connections_max} connections, {traffic.connections_waited_for} wait for one",
        f"redis     {trusted}, " + _alarming(f"hints dropped {traffic.hints_dropped:.1f}/s", traffic.hints_dropped > 0),
        f"webhooks  delivered {traffic.webhooks_delivered:.1f}/s, failed {traffic.webhooks_failed:.1f}/s",
        f"processes {traffic.processes}",
    ]


def _alarming(text: str, alarming: bool) -> str:
    return click.style(text, fg="red") if alarming else text


def _pairs(values: dict[str, int] | dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items()) or "none"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
