"""The screen of one flag: open it, look, preview, decide, leave. Each needs the permission to change flags."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import Textarea
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import User
from chat.models import Flag
from chat.moderation import previews, reading, training
from chat.moderation import review as reviewing
from chat.moderation.corrections import CorrectionRefused
from chat.moderation.forms import CorrectionForm, DecisionForm
from chat.moderation.reading import passages_about
from chat.moderation.training import ExampleRefused
from content.passages import Passage

# The second one is for the same in another language.
CORRECTIONS = ("first", "second")


def review(request: HttpRequest, public_id: uuid.UUID, *, desk: admin.ModelAdmin) -> HttpResponse:
    """Open a flag, which holds it for a while; or decide it."""
    flag, person = _flag_for(request, public_id, desk)
    held = reviewing.hold(flag, by=person)
    if request.method != "POST":
        return _screen(request, flag, desk, held=held, forms=_empty_forms(flag))
    if not held:
        return _refused(request, flag, desk)
    forms = _filled_forms(request)
    if not _are_sound(forms, flag):
        return _screen(request, flag, desk, held=True, forms=forms, status=400)
    try:
        reviewing.decide(flag, _decision(forms), by=person)
    except reviewing.NotHeld:
        return _refused(request, flag, desk)
    except (CorrectionRefused, ExampleRefused) as refused:  # something changed between the look above and the act
        for problem in refused.problems:
            messages.error(request, problem.text)
        flag.refresh_from_db()
        return _screen(request, flag, desk, held=True, forms=forms, status=409)
    desk.log_change(request, flag, [{"changed": {"fields": ["state", "finding"]}}])
    said = _("Decided: %(finding)s. The sender sees it under the receipt number.")
    messages.success(request, said % {"finding": flag.get_finding_display()})
    return HttpResponseRedirect(reverse("admin:chat_flag_changelist"))


def preview(request: HttpRequest, public_id: uuid.UUID, *, desk: admin.ModelAdmin) -> HttpResponse:
    """Show what readers would get, and the passages that were looked for; as JSON to a script that asks for it."""
    flag, person = _flag_for(request, public_id, desk)
    if request.method != "POST":
        return HttpResponseRedirect(reverse("admin:chat_flag_review", args=[flag.public_id]))
    wants_json = request.accepts("application/json") and not request.accepts("text/html")
    if not reviewing.hold(flag, by=person):
        return JsonResponse({"message": _why_not(flag)}, status=409) if wants_json else _refused(request, flag, desk)
    forms = _filled_forms(request)
    if not wants_json:
        return _screen(request, flag, desk, held=True, forms=forms, shows_previews=True)
    return JsonResponse(
        {
            "left_s": _left_s(flag),
            "until": _until(flag),
            "corrections": [
                previewed.as_json() | {"passages": [_passage_json(passage) for passage in found]}
                for previewed, found in (_previewed(form, flag) for form in forms["corrections"])
            ],
        }
    )


def hold(request: HttpRequest, public_id: uuid.UUID, *, desk: admin.ModelAdmin) -> HttpResponse:
    """Hold a flag for longer."""
    flag, person = _flag_for(request, public_id, desk)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not reviewing.hold(flag, by=person):
        return JsonResponse({"message": _why_not(flag)}, status=409)
    return JsonResponse({"left_s": _left_s(flag), "until": _until(flag)})


def leave(request: HttpRequest, public_id: uuid.UUID, *, desk: admin.ModelAdmin) -> HttpResponse:
    """Let go of a flag without deciding, back to the queue."""
    flag, person = _flag_for(request, public_id, desk)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    reviewing.leave(flag, by=person)
    return HttpResponseRedirect(reverse("admin:chat_flag_changelist"))


def take_next(request: HttpRequest, *, desk: admin.ModelAdmin) -> HttpResponse:
    """Open the next flag that nobody else holds; the one that is open (``after``) is left."""
    person = _reviewer(request, desk)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    named = _uuid(request.POST.get("after", ""))
    after = Flag.objects.filter(public_id=named).first() if named else None
    if after is not None:
        reviewing.leave(after, by=person)
    flag = reviewing.hold_next(by=person, after=after)
    if flag is None:
        messages.info(request, _("No other flag waits that nobody holds."))
        return HttpResponseRedirect(reverse("admin:chat_flag_changelist"))
    return HttpResponseRedirect(reverse("admin:chat_flag_review", args=[flag.public_id]))


def _reviewer(request: HttpRequest, desk: admin.ModelAdmin) -> User:
    if not desk.has_change_permission(request) or not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _flag_for(request: HttpRequest, public_id: uuid.UUID, desk: admin.ModelAdmin) -> tuple[Flag, User]:
    person = _reviewer(request, desk)
    return get_object_or_404(Flag.objects.select_related("locked_by", "decided_by"), public_id=public_id), person


def _screen(
    request: HttpRequest,
    flag: Flag,
    desk: admin.ModelAdmin,
    *,
    held: bool,
    forms: dict[str, Any],
    shows_previews: bool = False,
    status: int = 200,
) -> HttpResponse:
    there = reading.texts_are_there(flag)
    is_theirs = flag.state == Flag.State.OPEN and there and not held
    seen = reading.read(flag) if there and not is_theirs else None
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "title": _("Review of a flag"),
        "flag": flag,
        "held": held,
        "why_not": "" if held else _why_not(flag),
        "left_s": _left_s(flag),
        "until": _until(flag),
        "seen": seen,
        "corrections": list(flag.corrections.all()),
        "decision": forms["decision"],
        "drafts": [_drafted(form, flag, seen, previewed=shows_previews) for form in forms["corrections"]],
        "shows_previews": shows_previews,
        "findings": _findings(forms["decision"]),
        "typed": [] if held else _typed(request),
    }
    return TemplateResponse(request, "admin/chat/flag/review.html", context, status=status)


def _drafted(form: CorrectionForm, flag: Flag, seen: reading.Reading | None, *, previewed: bool) -> dict[str, Any]:
    """Return a correction's form with the passages to choose from: what was looked for, chosen, or stands above."""
    shown = {"form": form, "filled": form.is_bound and form.is_filled}
    language = str(form["language"].value())
    offered: dict[str, Passage] = {}
    if form.is_bound:
        preview, found = _previewed(form, flag)
        offered |= {passage.id: passage for passage in found}
        if preview.passage:
            offered[preview.passage.id] = preview.passage
        if previewed and form.is_filled:
            shown["preview"] = preview
    if seen is not None and language == flag.language:
        offered |= {source.passage.id: source.passage for source in seen.now.sources}
        offered |= {each.passage.id: each.passage for each in seen.passages if each.passage}
    return shown | {"passages": list(offered.values())}


def _previewed(form: CorrectionForm, flag: Flag) -> tuple[previews.Previewed, list[Passage]]:
    form.is_valid()
    typed = form.data.get

    def field(name: str) -> str:
        return str(typed(form.add_prefix(name), ""))

    language = field("language") if field("language") in dict(settings.LANGUAGES) else flag.language
    shown = previews.previewed(
        flag=flag,
        language=language,
        questions=[line.strip() for line in field("questions").splitlines() if line.strip()],
        answer=field("answer").strip(),
        passage=field("passage"),
    )
    words = field("passage_words")
    return shown, passages_about(words, language) if words.strip() else []


def _passage_json(passage: Passage) -> dict[str, str]:
    return {name: getattr(passage, name) for name in ("id", "title", "heading", "text")}


def _findings(form: DecisionForm) -> list[dict[str, Any]]:
    """Return the findings in their two groups, each with the key that chooses it."""
    chosen = form["finding"].value()
    rows = [
        {"value": value, "label": label, "key": key, "chosen": value == chosen}
        for key, (value, label) in enumerate(Flag.Finding.choices, start=1)
    ]
    upholds = [str(value) for value in Flag.UPHOLDING]
    return [
        {"name": "uphold", "key": "u", "title": _("Uphold"), "rows": [r for r in rows if r["value"] in upholds]},
        {"name": "dismiss", "key": "d", "title": _("Dismiss"), "rows": [r for r in rows if r["value"] not in upholds]},
    ]


def _empty_forms(flag: Flag) -> dict[str, Any]:
    """Return the forms as they open: everything empty but the languages, the flag's own first."""
    others = [code for code, _name in settings.LANGUAGES if code != flag.language]
    languages = [flag.language, *others][: len(CORRECTIONS)]
    drafts = [
        CorrectionForm(prefix=prefix, initial={"language": language})
        for prefix, language in zip(CORRECTIONS, languages, strict=False)
    ]
    return {"decision": DecisionForm(), "corrections": drafts}


def _filled_forms(request: HttpRequest) -> dict[str, Any]:
    drafts = [CorrectionForm(request.POST, prefix=prefix) for prefix in CORRECTIONS]
    return {"decision": DecisionForm(request.POST), "corrections": drafts}


def _are_sound(forms: dict[str, Any], flag: Flag) -> bool:
    decision: DecisionForm = forms["decision"]
    drafts: list[CorrectionForm] = forms["corrections"]
    sound = all([decision.is_valid(), *(form.is_valid() for form in drafts)])
    filled = [form for form in drafts if form.is_filled]
    if not sound:
        return False
    if filled and decision.cleaned_data["finding"] not in Flag.UPHOLDING:
        decision.add_error(
            "finding", _("Only an upheld flag carries a correction. Choose another finding, or empty it.")
        )
    if len({form.cleaned_data["language"] for form in filled}) < len(filled):
        filled[-1].add_error("language", _("Both corrections are in the same language."))
    if decision.cleaned_data["train"] and not (filled and filled[0].cleaned_data["language"] == flag.language):
        decision.add_error(None, _("Training needs a correction in the language of the flag."))
    if decision.cleaned_data["train"] and training.consent_of(flag) is None:
        decision.add_error(None, _("The sender does not consent to training, or no longer."))
    return decision.is_valid() and all(form.is_valid() for form in drafts)


def _decision(forms: dict[str, Any]) -> reviewing.Decision:
    cleaned = forms["decision"].cleaned_data
    drafts = tuple(form.draft() for form in forms["corrections"] if form.is_filled)
    return reviewing.Decision(cleaned["finding"], cleaned["note"], drafts, cleaned["train"])


def _refused(request: HttpRequest, flag: Flag, desk: admin.ModelAdmin) -> HttpResponse:
    flag.refresh_from_db()
    messages.error(request, _("Nothing was changed. %(why)s") % {"why": _why_not(flag)})
    return _screen(request, flag, desk, held=False, forms=_empty_forms(flag), status=409)


def _typed(request: HttpRequest) -> list[dict[str, str]]:
    """Return what came with a refused press: the form is not shown again, so its writer copies it from there."""
    forms = _filled_forms(request)
    fields = [field for form in (forms["decision"], *forms["corrections"]) for field in form]
    areas = [field for field in fields if isinstance(field.field.widget, Textarea)]
    return [{"label": str(field.label), "text": str(field.value())} for field in areas if (field.value() or "").strip()]


def _why_not(flag: Flag) -> str:
    """Say why somebody cannot decide a flag."""
    if flag.state != Flag.State.OPEN:
        return _("This flag is not open: %(state)s.") % {"state": flag.get_state_display()}
    if not reading.texts_are_there(flag):
        return _("The texts of this flag have expired.")
    if flag.locked_by is not None and _left_s(flag) > 0:
        return _("%(person)s holds this flag until %(until)s.") % {
            "person": flag.locked_by.email,
            "until": _until(flag),
        }
    return _("You no longer hold this flag. Open it again.")


def _until(flag: Flag) -> str:
    return date_format(timezone.localtime(flag.locked_until), "H:i:s") if flag.locked_until else ""


def _left_s(flag: Flag) -> int:
    left = flag.locked_until - timezone.now() if flag.locked_until else None
    return max(0, round(left.total_seconds())) if left else 0


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
