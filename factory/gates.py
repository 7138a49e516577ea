"""What a release proves: nothing has changed since it was recorded, and every model is what its card says."""

from compliance import evidence
from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from factory import artifacts, model_facts, release
from factory.artifacts import ARTIFACTS, Artifact, Places
from inference import registry
from inference.models import Backend, Model

TAGS = {"release", "ai-act"}
TITLES = {
    "weights": "the small model's weights are those of the release",
    "embedding-weights": "the weights for embeddings are those of the release",
    "dataset": "the training set is that of the release",
    "prompt": "the prompt is that of the release",
    "index": "what answers are quoted from is that of the release",
    "thresholds": "the thresholds are those of the release",
    "calibration": "the calibration of the ladder is that of the release",
    "locks": "the lock files are those of the release",
    "code": "the code is that of the release",
}
NO_RELEASE = "no release is on record: manage.py record_release NAME"


def artifact_outcome(name: str, places: Places) -> Outcome:
    """Compare one artifact with the newest release."""
    record = evidence.latest(release.KIND)
    if record is None:
        return NotRun(NO_RELEASE)
    said = record.body["artifacts"].get(name)
    now = ARTIFACTS[name](places)
    if now is None:
        gone = f"sha256 {said['sha256']} is on record, and it is not here" if said else ""
        return Failed(gone, record=record.number) if said else Passed("none, as recorded", record=record.number)
    if said is None:
        return Failed(f"sha256 {now.sha256} is here, and none is on record", record=record.number)
    if now.sha256 != said["sha256"]:
        reason = f"sha256 {now.sha256} is not the recorded {said['sha256']}{_which(now, said)}"
        return Failed(reason, record=record.number)
    return Passed(f"sha256 {now.sha256}", record=record.number)


def _which(now: Artifact, said: dict[str, dict[str, str]]) -> str:
    """Return the names of the parts that differ, where an artifact is made of several."""
    before = said.get("parts", {})
    names = sorted(name for name in now.parts.keys() | before.keys() if now.parts.get(name) != before.get(name))
    return f" ({', '.join(names)})" if names else ""


def _register(name: str) -> None:
    @gate(f"artifact-{name}", tags=TAGS, title=TITLES[name])
    def artifact_gate() -> Outcome:
        return artifact_outcome(name, artifacts.here())


for _name in ARTIFACTS:
    _register(_name)


@gate("model-family", tags=TAGS, title="every model is of a known family and licence, and is the one on its card")
def model_family_gate() -> Outcome:
    """Compare the registry with what is known of weights and with the newest card of each model."""
    rows = list(Model.objects.filter(enabled=True).order_by("public_id"))
    if not rows:
        return NotRun("no model is registered in this database")
    known, families, newest = model_facts.known(), [], 0
    for row in rows:
        facts, card = known.get(row.weights_sha256), release.newest_card(row.public_id)
        if facts is None:
            which = f"sha256 {row.weights_sha256}" if row.weights_sha256 else "no digest"
            return Failed(f"{row.public_id}: {which} is in no list of known weights")
        if card is None:
            return NotRun(f"{row.public_id} has no card: manage.py record_release NAME")
        if not release.has(card):
            return NotRun(f"{row.public_id} is not in the newest release: manage.py record_release NAME", card.number)
        if card.body["weights_sha256"] != row.weights_sha256:
            said = card.body["weights_sha256"]
            return Failed(f"{row.public_id}: sha256 {row.weights_sha256}, its card says {said}", record=card.number)
        families.append(f"{row.public_id} {facts.family} ({facts.licence})")
        newest = max(newest, card.number)
    return Passed(", ".join(families), record=newest)


@gate("runtime", tags=TAGS, title="every model runs in the program that is on its card")
def runtime_gate() -> Outcome:
    """Compare the programs that run now, and the version of our own, with the newest card of each model."""
    rows = list(Backend.objects.filter(enabled=True, model__enabled=True).select_related("model").order_by("name"))
    if not rows:
        return NotRun("no backend is registered in this database")
    ours = {each.backend: bool(each.pid_file) for each in registry.declared()}
    seen, newest = [], 0
    for row in rows:
        card = release.newest_card(row.model.public_id)
        if card is None:
            return NotRun(f"{row.model.public_id} has no card: manage.py record_release NAME")
        version = release.runtime_version(row.runtime, ours=ours.get(row.name, False))
        now = f"{row.runtime} {version}".strip()
        said = f"{card.body.get('runtime', '')} {card.body.get('runtime_version', '')}".strip()
        if now != said:
            return Failed(f"{row.name} is {now}, the card of {row.model.public_id} says {said}", record=card.number)
        seen.append(f"{row.name} {now}")
        newest = max(newest, card.number)
    return Passed(", ".join(seen), record=newest)
