"""What the regression set proves, and the alarm about corrections that nobody gets."""

from django.utils.translation import ngettext

from chat.moderation import corrections, regression
from compliance.alarms import Sentence, alarm
from compliance.gates import Failed, Outcome, Passed, gate

NAMED_AT_MOST = 10


@gate("regression-set", tags={"release", "ai-act"}, title="no question that was once answered wrongly is so again")
def regression_gate() -> Outcome:
    """Ask every live case of what is published now."""
    results = regression.run()
    if not results:
        return Passed("no case yet")
    wrong = [each for each in results if not each.passed]
    if wrong:
        named = [f"{each.case} ({', '.join(each.wrong)})" for each in wrong[:NAMED_AT_MOST]]
        return Failed(f"{len(wrong)} of {len(results)} cases fail: {'; '.join(named)}")
    languages = sorted({each.language for each in results})
    return Passed(", ".join(f"{sum(each.language == code for each in results)} in {code}" for code in languages))


@alarm("chat.corrections")
def passages_alarm() -> list[Sentence]:
    """Approved corrections rest on a passage; without it nobody gets them, until somebody decides what to do."""
    count = len(corrections.without_passage())
    if not count:
        return []
    return [
        ngettext(
            "%(count)d approved correction is given to nobody: the passage that proves it is not published any more.",
            "%(count)d approved corrections are given to nobody: the passages that prove them are not published any"
            " more.",
            count,
        )
        % {"count": count}
    ]
