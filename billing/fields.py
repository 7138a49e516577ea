"""Fields of the dashboard's forms: dollars, whole numbers, and how a form of ours looks."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from billing.models.plans import MICROUSD


class Drawn(forms.Form):
    """A form whose fields look like ours: everything that is typed or chosen from a list is an ``.input``."""

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial, label_suffix="")
        for field in self.fields.values():
            if not isinstance(field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
                field.widget.attrs["class"] = "input"


class UsdField(forms.DecimalField):
    """Dollars as people write them in their language; millionths of a dollar once cleaned. More than nothing."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(localize=True, max_digits=12, decimal_places=6, required=False, widget=widget, **options)
        self.error_messages["invalid"] = _("Enter an amount in dollars, such as 2.50.")

    def clean(self, value: Any) -> Any:
        amount = super().clean(value)
        if amount is not None and amount <= 0:
            raise forms.ValidationError(_("An amount is more than nothing. Leave the field empty for no limit."))
        return None if amount is None else int(amount * MICROUSD)

    def prepare_value(self, value: Any) -> Any:
        return Decimal(value) / MICROUSD if isinstance(value, int) else value


class WholeField(forms.IntegerField):
    """A whole number, or nothing for no limit."""

    def __init__(self, *, least: int, **options: Any) -> None:
        super().__init__(min_value=least, required=False, **options)
        self.error_messages["invalid"] = _("Enter a whole number.")
