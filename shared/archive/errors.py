"""What can be said against an archive."""


class BadArchive(Exception):
    """An archive is missing, or is not what its manifest says; the message is one sentence that names the file."""


class NotYet(Exception):
    """A month cannot be archived yet; the message says why. Nothing was written."""


class StillOpen(NotYet):
    """Something that belongs to the month is not final: `kind` is what, `ids` are the first of them, `count` is how many there are."""

    def __init__(self, month: object, kind: str, ids: list[str], count: int) -> None:
        more = f" and {count - len(ids)} more" if count > len(ids) else ""
        super().__init__(f"{month} is still open: {kind} {', '.join(ids)}{more} not final")
        self.kind = kind
        self.ids = ids
        self.count = count
