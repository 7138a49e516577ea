"""The search page: plain HTML by GET. What is sought is in no log, no cookie and no cache."""

import logging
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from psycopg_pool import PoolTimeout

from content.search import MAX_QUERY_CHARS, NotPrepared, clean, search

logger = logging.getLogger(__name__)
RETRY_AFTER_S = "5"
# The worker brings the search in line with the texts every 30 s.
PREPARED_AFTER_S = "30"


@require_safe
def search_page(request: HttpRequest, language: str) -> HttpResponse:
    """Show what ``?q=`` finds in the language of the address."""
    query = clean(request.GET.get("q", ""))
    with translation.override(language):
        context: dict[str, Any] = {"query": query[:MAX_QUERY_CHARS], "max_query_chars": MAX_QUERY_CHARS}
        status, retry_after_s = 200, ""
        if len(query) > MAX_QUERY_CHARS:
            context["problem"] = _("Please use at most %(limit)d characters.") % {"limit": MAX_QUERY_CHARS}
            status = 400
        elif query:
            try:
                results = search(query, language)
                context |= {"results": results, "count": len(results)}
            except (DatabaseError, InterfaceError, PoolTimeout) as error:
                logger.warning("search failed: %s", type(error).__name__)
                context["problem"] = _("Search is not available right now. Please try again in a few seconds.")
                status, retry_after_s = 503, RETRY_AFTER_S
            except NotPrepared:
                context["problem"] = _("The search is being prepared. Please try again in half a minute.")
                status, retry_after_s = 503, PREPARED_AFTER_S
        response = render(request, "content/search.html", context, status=status)
    response["Cache-Control"] = "no-store"
    if retry_after_s:
        response["Retry-After"] = retry_after_s
    return response
