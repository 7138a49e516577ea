"""What customers type: a key with its limits, a cap of their own, the days they want to see."""

import datetime
import ipaddress
import re
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from billing.fields import Drawn, UsdField, WholeField
from billing.keys import holds_key
from billing.limits import month_cap
from billing.models import ApiKey, Customer
from billing.models.keys import Scope, every_scope
from billing.templatetags.money import count, usd
from billing.usage import MOST_DAYS, Usage

MOST_RANGES = 20
MOST_YEARS = 10  # that a key may work for, unless it works until it is ended
GRACES = {
    "24h": datetime.timedelta(hours=24),
    "1h": datetime.timedelta(hours=1),
    "7d": datetime.timedelta(days=7),
    "none": datetime.timedelta(),
}


class KeyForm(Drawn):
    """A key's name, what it may be used for, and its limits; none of them is above the account's."""

    name = forms.CharField(
        label=pgettext_lazy("of a key", "Name"),
        max_length=60,
        help_text=_("What you will know it by: the program or the machine that uses it."),
        error_messages={"required": _("Give the key a name.")},
    )
    scopes = forms.MultipleChoiceField(
        label=_("May be used for"),
        choices=Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one use.")},
    )
    allowed_models = forms.MultipleChoiceField(
        label=_("Models"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None ticked: all of them, later ones too."),
    )
    last_day = forms.DateField(
        label=_("Last day (UTC)"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Empty: until you end it."),
        error_messages={"invalid": _("Enter a day such as 2030-01-31.")},
    )
    address_ranges = forms.CharField(
        label=_("Addresses it may be used from"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=_("One address or range in a line, such as 203.0.113.7 or 2001:db8::/48. Empty: from anywhere."),
    )
    day_limit_microusd = UsdField(label=_("Most usage in a day, in dollars"))
    month_limit_microusd = UsdField(label=_("Most usage in a month, in dollars"))
    day_gpu_s = WholeField(label=_("Most GPU seconds in a day"), least=0)
    month_gpu_s = WholeField(label=_("Most GPU seconds in a month"), least=0)
    requests_per_minute = WholeField(label=_("Requests per minute"), least=1)
    tokens_per_minute = WholeField(label=_("Tokens per minute"), least=1)
    parallel_calls = WholeField(label=_("Calls at a time"), least=1)

    BUDGETS = ("day_limit_microusd", "month_limit_microusd", "day_gpu_s", "month_gpu_s")
    RATES = ("requests_per_minute", "tokens_per_minute", "parallel_calls")

    def __init__(self, data: Any = None, *, customer: Customer, models: list[str], key: ApiKey | None = None) -> None:
        super().__init__(data, initial=_initial(key))
        choices = [*models, *(name for name in (key.allowed_models if key else []) if name not in models)]
        self.fields["allowed_models"].choices = [(name, name) for name in choices]  # type: ignore[attr-defined]
        self._key = key
        cap = month_cap(customer)
        self._most: dict[str, int] = {"day_limit_microusd": cap, "month_limit_microusd": cap}
        self._most |= {name: customer.limit(name) for name in (*self.BUDGETS[2:], *self.RATES)}
        for name in (*self.BUDGETS, *self.RATES):
            self.fields[name].help_text = _("Empty: up to %(most)s.") % {"most": self._said(name)}

    def _said(self, name: str) -> str:
        return usd(self._most[name]) if name.endswith("microusd") else count(self._most[name])

    @property
    def budgets(self) -> list[forms.BoundField]:
        return [self[name] for name in self.BUDGETS]

    @property
    def rates(self) -> list[forms.BoundField]:
        return [self[name] for name in self.RATES]

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if holds_key(name):
            raise forms.ValidationError(_("This is a key. It is not stored; revoke it if others may have seen it."))
        return name

    def clean_last_day(self) -> datetime.date | None:
        day = self.cleaned_data["last_day"]
        unchanged = self._key is not None and day == _last_day(self._key)
        if day is not None and day < timezone.now().astimezone(datetime.UTC).date() and not unchanged:
            raise forms.ValidationError(_("This day is over. To end a key now, revoke it."))
        if day is not None and day > _latest_day() and not unchanged:
            raise forms.ValidationError(
                _("At most %(years)d years from now; leave it empty for a key without an end.") % {"years": MOST_YEARS}
            )
        return day

    def clean_address_ranges(self) -> list[str]:
        lines = [line for line in re.split(r"[\s,;]+", self.cleaned_data["address_ranges"]) if line]
        if len(lines) > MOST_RANGES:
            raise forms.ValidationError(_("At most %(most)d ranges, please.") % {"most": MOST_RANGES})
        found: list[str] = []
        for line in lines:
            try:
                network = str(ipaddress.ip_network(line, strict=False))
            except ValueError:
                raise forms.ValidationError(
                    _("“%(line)s” is no address and no range, such as 203.0.113.7 or 2001:db8::/48.")
                    % {"line": line[:60]}
                ) from None
            if network not in found:
                found.append(network)
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, most in self._most.items():
            if (cleaned.get(name) or 0) > most:
                self.add_error(name, _("At most %(most)s, the limit of your account.") % {"most": self._said(name)})
        return cleaned

    def limits(self) -> dict[str, Any]:
        """Return the fields of ApiKey, without the name. An end that was not touched stays to the second."""
        cleaned = dict(self.cleaned_data)
        cleaned.pop("name")
        day = cleaned.pop("last_day")
        if self._key is not None and day == _last_day(self._key):
            ends = self._key.expires_at
        else:
            ends = None if day is None else _end_of(day)
        return {**cleaned, "expires_at": ends}


def _initial(key: ApiKey | None) -> dict[str, Any]:
    if key is None:
        return {"scopes": every_scope()}
    kept = ("name", "scopes", "allowed_models", *KeyForm.BUDGETS, *KeyForm.RATES)
    ranges = "\n".join(key.address_ranges)
    return {name: getattr(key, name) for name in kept} | {"address_ranges": ranges, "last_day": _last_day(key)}


def _latest_day() -> datetime.date:
    return timezone.now().astimezone(datetime.UTC).date() + datetime.timedelta(days=round(365.25 * MOST_YEARS))


def _end_of(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), datetime.UTC)


def _last_day(key: ApiKey) -> datetime.date | None:
    if key.expires_at is None:
        return None
    return (key.expires_at.astimezone(datetime.UTC) - datetime.timedelta(microseconds=1)).date()


class RotateForm(Drawn):
    """How long the old key still works."""

    grace = forms.ChoiceField(
        label=_("How long the old key still works"),
        choices=[
            ("24h", _("24 hours")),
            ("1h", _("1 hour")),
            ("7d", _("7 days")),
            ("none", _("not at all: it ends now")),
        ],
        widget=forms.RadioSelect,
        initial="24h",
    )

    def grace_period(self) -> datetime.timedelta:
        return GRACES[self.cleaned_data["grace"]]


class CapForm(Drawn):
    """A customer's own cap of a month; empty for the plan's."""

    cap = UsdField(label=_("Most usage in a month, in dollars"))

    def __init__(self, data: Any = None, *, customer: Customer) -> None:
        super().__init__(data, initial={"cap": customer.month_limit_microusd})
        self._most = customer.plan.month_limit_microusd
        self.fields["cap"].help_text = _("Empty: %(most)s, the limit of your plan.") % {"most": usd(self._most)}

    def clean_cap(self) -> int | None:
        cap = self.cleaned_data["cap"]
        if cap is not None and cap > self._most:
            raise forms.ValidationError(_("At most %(most)s, the limit of your plan.") % {"most": usd(self._most)})
        return cap


class UsageForm(Drawn):
    """Which calls to sum up: the last days, or two days and what is between; of a model, of a key."""

    DAYS = ("7", "30", "90")

    days = forms.ChoiceField(
        label=_("Days (UTC)"),
        required=False,
        choices=[
            ("7", _("the last 7")),
            ("30", _("the last 30")),
            ("90", _("the last 90")),
            ("custom", _("from … to …")),
        ],
    )
    first = forms.DateField(
        label=pgettext_lazy("a day", "From"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    last = forms.DateField(
        label=pgettext_lazy("a day", "To"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    model = forms.ChoiceField(label=_("Model"), required=False)
    key = forms.ChoiceField(label=_("Key"), required=False)

    def __init__(self, data: Any, *, keys: list[ApiKey], models: list[str], today: datetime.date) -> None:
        # A link may name the days alone, and nothing at all means the last thirty.
        self._today = today
        self._keys = {str(key.public_id): key for key in keys}
        filled = {name: data.get(name, "") for name in ("days", "first", "last", "model", "key")}
        filled["days"] = filled["days"] or "30"
        super().__init__(filled)
        named = [(public_id, f"{key.name} ({key.prefix}…)") for public_id, key in self._keys.items()]
        self.fields["model"].choices = [("", gettext("all models")), *((name, name) for name in models)]  # type: ignore[attr-defined]
        self.fields["key"].choices = [("", gettext("all keys")), *named]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("days") != "custom" or self.errors:
            return cleaned
        first, last = cleaned.get("first"), cleaned.get("last") or self._today
        if first is None:
            self.add_error("first", _("Enter the first day."))
        elif not first <= last:
            self.add_error("last", _("The last day is not before the first."))
        elif (last - first).days >= MOST_DAYS:
            self.add_error("first", _("At most a year at a time, please."))
        return cleaned | {"last": last}

    def usage(self, customer_id: int | None) -> Usage:
        """Return what was asked for, of one customer. The form is valid."""
        cleaned = self.cleaned_data
        if cleaned["days"] == "custom":
            first, last = cleaned["first"], cleaned["last"]
        else:
            last = self._today
            first = last - datetime.timedelta(days=int(cleaned["days"]) - 1)
        return Usage(customer_id, first, last, key=self._keys.get(cleaned["key"]), model=cleaned["model"])
