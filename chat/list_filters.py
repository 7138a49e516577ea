"""What an address of the admin may filter a list by."""

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest


class OfferedFilters:
    """Lists are filtered by what ``list_filter`` offers and by no other field of the row.

    Django takes any in the address: whose flag it is, which no page shows, or words of texts, which then stand in logs.
    """

    def lookup_allowed(self: Any, lookup: str, value: str, request: HttpRequest) -> bool:
        name = lookup.split(LOOKUP_SEP)[0]
        try:
            self.model._meta.get_field(name)
        except FieldDoesNotExist:
            offered = True  # the word of a filter of ours, or of none
        else:
            offered = name in {each[0] if isinstance(each, tuple) else each for each in self.list_filter}
        return offered and bool(super().lookup_allowed(lookup, value, request))  # type: ignore[misc]
