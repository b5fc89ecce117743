"""What a check of the books found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule, in one sentence, and the account that is stopped for it; an id of 0 is none, and then nobody is.

    `subject` is the id of the charge or reversal that the sentence speaks of: empty where it speaks of none.
    """

    sentence: str
    vendor_id: int = 0
    customer_id: int = 0
    subject: str = ""
