"""What can be wrong with what somebody brings to be verified.

Unreadable      ``field`` is missing, too long, or not what it should be
ForeignPage     a page of somebody else sent it
"""


class Unreadable(Exception):
    """``field`` names what cannot be read; never what stood in it."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class ForeignPage(Exception):
    """The request names an origin that may not ask here."""
