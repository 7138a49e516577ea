"""What every HTTP door of the chat needs of a request, and the one JSON shape of its refusals."""

from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import HttpRequest, JsonResponse

from accounts.models import User
from chat import doors, limits
from chat.errors import ChatError
from chat.events import error_event
from compliance.addresses import address_name, request_address


def signed_in(request: HttpRequest) -> User | None:
    """Return who is signed in. Without a session cookie nothing is looked up."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    return request.user if isinstance(request.user, User) and request.user.is_active else None


def origin_allowed(request: HttpRequest) -> bool:
    """Whether a request without Django's token comes from a page of ours."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return doors.origin_allowed(headers, has_cookie=bool(request.COOKIES))


def take(request: HttpRequest, what: str, limit: str) -> None:
    """Count one act of a kind: a person's by their account, a visitor's by address. Raises RateLimited."""
    person = signed_in(request)
    name = f"person:{person.public_id}" if person else f"address:{address_name(request_address(request))}"
    async_to_sync(limits.take)(f"{what}:{name}", limit)


def refusal(request: HttpRequest, error: ChatError) -> JsonResponse:
    """Return an error in the language that is active, with Retry-After where waiting helps."""
    event = error_event(None, error, request_id=_request_id(request))
    body = {name: value for name, value in event.items() if name not in ("type", "id")}
    response = JsonResponse({"error": body}, status=error.status)
    if event["retry_after_s"]:
        response["Retry-After"] = str(event["retry_after_s"])
    return response


def problem(request: HttpRequest, status: int, code: str, message: str) -> JsonResponse:
    """Return a refusal that is no error of the chat: a foreign origin, another type of content."""
    error = {"code": code, "message": message, "request_id": _request_id(request)}
    return JsonResponse({"error": error}, status=status)


def _request_id(request: HttpRequest) -> str:
    return str(getattr(request, "request_id", ""))
