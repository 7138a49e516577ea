"""What is proven of the training set: that it is the one on record, and that nothing is in it that must not be."""

from compliance import evidence
from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from factory import dataset

TITLE = "the training set holds no withdrawn consent, address or test question"


@gate("training-set", tags={"release", "ai-act"}, title=TITLE)
def training_set_gate() -> Outcome:
    """Make the set anew in memory, and compare it and the file, where there is one, with the newest record."""
    last = evidence.latest(dataset.KIND)
    if last is None:
        return NotRun("no training set is on record: manage.py training_set --record")
    path = dataset.file()
    lying = path.read_bytes() if path.exists() else None
    held_out = dataset.HeldOut(dataset.questions_for_judging())
    if lying is not None and (wrong := dataset.objections(lying, held_out)):
        named = ", ".join(f"{count} {reason}" for reason, count in sorted(wrong.items()))
        return Failed(f"the file of the training set: {named}", record=last.number)
    made = dataset.build(held_out)
    if made.sha256 != last.body["sha256"]:
        return Failed(f"sha256 {made.sha256} is not the recorded {last.body['sha256']}", record=last.number)
    if lying is not None and lying != made.data:
        return Failed("the file of the training set is not the one on record", record=last.number)
    if not made.examples:
        return Passed("no example yet, so nothing to train with", record=last.number)
    return Passed(f"{len(made.examples)} rows, sha256 {made.sha256}", record=last.number)
