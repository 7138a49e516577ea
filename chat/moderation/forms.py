"""What staff fill in beside a flag. Every field starts empty: what readers get is written, not taken over."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from chat.models import Flag
from chat.moderation.review import Draft
from chat.moderation.soundness import problems, tidy
from chat.moderation.unseen import is_unseen

NOTE_CHARS = 500
PHRASES = 8
PHRASE_CHARS = 100


class PlainText(forms.CharField):
    """Text as people type it: a line break is all it may hold that cannot be seen."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value)).replace("\r\n", "\n").strip()
        if any(is_unseen(letter) or letter == "\t" for letter in text):
            raise forms.ValidationError(_("There is a character in it that cannot be seen. Type the text again."))
        return text


class Lines(PlainText):
    """One thing on each line, empty lines left out."""

    def __init__(self, *, most: int = 1_000, chars: int = 10_000, **options: Any) -> None:
        super().__init__(**options)
        self.most, self.chars = most, chars

    def clean(self, value: Any) -> Any:
        lines = tuple(" ".join(line.split()) for line in super().clean(value).splitlines() if line.strip())
        if len(lines) > self.most:
            raise forms.ValidationError(_("%(most)d lines at most."), params={"most": self.most})
        if any(len(line) > self.chars for line in lines):
            raise forms.ValidationError(_("A line has more than %(chars)d characters."), params={"chars": self.chars})
        return lines


def _area(rows: int, **attributes: str) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "cols": 60, "autocomplete": "off", **attributes})


class DecisionForm(forms.Form):
    """The finding, which says whether the flag is upheld, and words to the sender."""

    finding = forms.ChoiceField(
        label=_("Finding"),
        choices=Flag.Finding.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose a finding first.")},
    )
    note = PlainText(
        label=_("Words to the sender"),
        help_text=_("Optional. Whoever has the receipt number reads them until the texts are deleted."),
        max_length=NOTE_CHARS,
        required=False,
        widget=_area(2),
    )
    train = forms.BooleanField(label=_("Take it into the training set"), required=False)


class CorrectionForm(forms.Form):
    """A correction in one language. Left empty as a whole, there is none."""

    language = forms.ChoiceField(label=_("Language"))
    questions = Lines(
        label=_("Questions"),
        help_text=_("In your own words, one on each line: the ways in which somebody may ask this."),
        required=False,
        widget=_area(3),
    )
    answer = PlainText(
        label=_("Answer"),
        help_text=_("In your own words, what the passage below proves and nothing else."),
        required=False,
        widget=_area(4),
    )
    passage = forms.CharField(label=_("Passage that proves it"), max_length=200, required=False)
    passage_words = forms.CharField(
        label=_("Look for a passage"),
        help_text=_("By its words, or by its id."),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "size": 40}),
    )
    must_say = Lines(
        label=_("A good answer says"),
        help_text=_("Optional, for the test that guards against the same mistake: words or phrases, one on each line."),
        most=PHRASES,
        chars=PHRASE_CHARS,
        required=False,
        widget=_area(2),
    )
    must_not_say = Lines(
        label=_("A good answer does not say"),
        help_text=_("Optional: words or phrases, one on each line."),
        most=PHRASES,
        chars=PHRASE_CHARS,
        required=False,
        widget=_area(2),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        language = self.fields["language"]
        assert isinstance(language, forms.ChoiceField)
        language.choices = settings.LANGUAGES

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if self.is_filled and not self.errors:
            asked = tidy(cleaned["questions"])
            for problem in problems(cleaned["language"], asked, cleaned["answer"], cleaned["passage"]):
                self.add_error(problem.field, problem.text)
        return cleaned

    @property
    def is_filled(self) -> bool:
        """Whether anything of a correction was written; the search for a passage is none."""
        names = ("questions", "answer", "passage", "must_say", "must_not_say")
        return any(self.data.get(self.add_prefix(name), "").strip() for name in names)

    def draft(self) -> Draft:
        """Return what was typed; only of a form that is valid and filled."""
        names = ("language", "questions", "answer", "passage", "must_say", "must_not_say")
        return Draft(**{name: self.cleaned_data[name] for name in names})
