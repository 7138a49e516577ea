"""The sentences the chat says of itself, in the reader's language (activate it before calling)."""

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from chat.errors import AskRefused, ChatError
from content.site import page_address
from inference.errors import ContextTooLong, InferenceError, QueueFull

MODEL_AWAY = "model_unavailable"


def _sentences() -> dict[str, str]:
    return {
        "impolite": _("Please put this in other words. The assistant does not answer insults."),
        "rate_limited": _("You have asked many questions in a short time. Please wait a little and ask again."),
        "too_many_messages": _("You have sent several messages in a short time. Please wait before you send another."),
        "sent_already": _("This message was sent already. Its number was shown when it was sent, and only then."),
        "unknown_number": _("No message is known under this number. It may have been deleted."),
        "id_reused": _("This id belongs to another question. Please ask again."),
        "unknown_id": _("This answer is no longer there. Please ask again."),
        "too_many_open": _("Several answers are on their way already. Please wait for one to end."),
        "restarting": _("The site is restarting. Please ask again in a few seconds."),
        "busy": _("Many people are asking right now. Please ask again in a moment."),
        "model_unavailable": _("The language model is not available right now. Please ask again in a moment."),
        "model_timeout": _("The language model took too long, so its answer was ended. Please ask again."),
        "model_cut_off": _("The language model broke off, so its answer is not complete. Please ask again."),
        "model_garbled": _("The language model sent something unreadable. Please ask again."),
        "model_switched_off": _("This model was just switched off. Please ask again."),
        "unknown_conversation": _("This conversation is no longer there. Ask again to go on without it."),
        "signed_out": _("You have signed out meanwhile, so there is no second version."),
        "budget_spent": _("The budget for the large model is spent for now. The small model on the CPU answers."),
        "large_away": _("The large model could not be woken. The answer of the small model stands."),
        "large_off": _("The large model is switched off at the moment. The small model answers."),
        "interrupted": _("The answer was interrupted and is not complete. Please ask again."),
        "error": _("Something went wrong on our side. Please ask again."),
    }


def sentence(code: str) -> str:
    """Return the plain sentence for an error code."""
    found = _sentences()
    return found.get(code, found["error"])


def explain(error: ChatError | InferenceError) -> str:
    """Return what a reader should know about an error: what happened and what to do."""
    if isinstance(error, AskRefused):
        return error.problem
    if isinstance(error, ContextTooLong):
        limits = {"used": error.prompt_tokens, "limit": error.context_tokens}
        return _("The question has %(used)d tokens with its context; the model takes %(limit)d.") % limits
    return sentence(error.code)


def retry_after_s(error: ChatError | InferenceError) -> int | None:
    """Return the seconds to wait where waiting helps."""
    return error.retry_after_s if isinstance(error, ChatError | QueueFull) else None


def contact() -> str:
    """Return how to reach the people behind the site."""
    if settings.CONTACT_EMAIL:
        return _("You can write to the people behind this site at %(email)s.") % {"email": settings.CONTACT_EMAIL}
    address = page_address("imprint", get_language() or settings.LANGUAGE_CODE)
    return _("The [imprint](%(address)s) says who runs this site and how to reach them.") % {"address": address}


def abstention() -> str:
    """Return the answer to what our pages do not speak of."""
    return _("I do not know: the pages of this site say nothing about it.") + " " + contact()
