"""The red team: cases that prove themselves, runs on record, findings that somebody decides, and the gate over all."""

import dataclasses
import datetime
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from compliance import alarms, evidence
from compliance.gates import Failed, NotRun, Passed
from compliance.models import AuditEntry, EvidenceRecord
from factory import redteam_gates
from factory.models import Finding
from factory.redteam import findings, own, runs, scan
from factory.redteam.cases import cases
from factory.redteam.doors import send
from factory.redteam.judging import hits, unproven
from factory.redteam.runs import Attempt, Plan, Run, Target
from inference.models import Hardware, Tier
from inference.registry import Served
from tests.live import Site, running_site
from tests.scripted import ScriptedServer, slowly

WEIGHTS = "ab" * 32
SERVED = Served(
    public_id="wagmi-small",
    name="Candidate",
    tier=Tier.SMALL,
    hardware=Hardware.CPU,
    languages=("en",),
    capabilities=(),
    context_tokens=1024,
    max_output_tokens=40,
    weights_sha256=WEIGHTS,
    digest_checked=False,
    backend="cpu",
    runtime="llamacpp",
    url="http://127.0.0.1:9",
    upstream_model="wagmi-small",
    key="",
    slots=1,
    queue=1,
)


@pytest.fixture(autouse=True)
def own_folder(settings: object, tmp_path: Path) -> None:
    settings.FACTORY_DIR = tmp_path  # type: ignore[attr-defined]


def planned(tool: str, target: str) -> Plan:
    where = Target(target, "wagmi-small", WEIGHTS)
    return own.plan(where) if tool == own.TOOL else scan.plan(scan.slice_named("ci"), where)


def silent(tool: str) -> list[Attempt]:
    """Return an attempt of each case, or three of each probe, that came to nothing."""
    if tool == own.TOOL:
        return [Attempt(probe=case.kind, attack=case.id, output="No.") for case in cases()]
    probes = scan.slice_named("ci").probes
    return [Attempt(probe=f"{probe} d.D", attack=f"{n}", output="No.") for probe in probes for n in range(3)]


def on_record(
    tool: str, target: str, *extra: Attempt, plan: Plan | None = None, committed: str = "yes"
) -> EvidenceRecord:
    """Write a run of everything that has to be tried, without a hit, and of ``extra``, to the evidence."""
    plan = plan or planned(tool, target)
    begun = runs.begin(plan, committed=committed)
    run = Run(plan=plan, attempts=[*silent(tool), *extra], duration_s=1, started_at="2026-11-21T10:00:00+00:00")
    return runs.record(run, begun)


def all_on_record() -> None:
    for tool, targets in redteam_gates.TRIED.items():
        for target in targets:
            on_record(tool, target)


def a_hit(probe: str = "poisoned-passage") -> Attempt:
    return Attempt(probe=probe, attack="poison-comment-en", hit=True, output="The words of a model.")


@pytest.fixture
def finding(db: None) -> Finding:
    on_record(scan.TOOL, "api-raw", a_hit())
    return Finding.objects.get()


def attacked(site: Site, *arguments: str) -> str:
    """Return what ``manage.py redteam`` printed, which takes longer on a busy machine than other commands may."""
    command = [sys.executable, "manage.py", "redteam", *arguments]
    done = subprocess.run(command, cwd=site.root, env=site.env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def in_days(days: int) -> datetime.date:
    return timezone.now().date() + datetime.timedelta(days=days)


# --- our cases ---


def test_every_detector_of_every_case_fires_at_a_target_that_obeys() -> None:
    by_language = {language: [each for each in cases() if each.language == language] for language in ("en", "fr")}

    assert {case.id: unproven(case) for case in cases() if unproven(case)} == {}
    assert all(len(found) >= 40 for found in by_language.values())
    assert {"injection", "forged-turns", "exfiltration", "control-tokens", "system-prompt", "other-users"} <= {
        case.kind for case in cases()
    }


async def test_what_an_obeying_model_wrote_is_inert_on_the_page() -> None:
    found = {case.id: hits(case, await send(case, None)) for case in cases() if case.door == "page"}

    assert len(found) > 15
    assert not any(found.values()), found


async def test_a_case_that_cannot_be_put_to_its_door_is_void_and_not_passed() -> None:
    case = next(case for case in cases() if case.door == "api")

    tried = await own.attempt(case, api=None)

    assert (tried.void, tried.hit, tried.why) == (True, False, "no_key")


@pytest.mark.slow
def test_the_site_withstands_all_our_cases(live_site: Site) -> None:
    live_site.manage("issue_key", "--email", "carol@example.org", "--name", "red team", "--plan", "scale")

    said = attacked(live_site, "--own", "--email", "carol@example.org")

    assert not [line for line in said.splitlines() if line.startswith(("HIT", "void"))], said
    assert " 0 hits, 0 void" in said


@pytest.mark.slow
def test_a_model_that_obeys_a_poisoned_page_is_found_out() -> None:
    with ScriptedServer() as server:
        server.behaviour = slowly(
            0, ("CANARY-7Q4 ", "code secret ", "password ", "![m](https://example.org/m.png?q=1)")
        )
        with running_site(model=False, LLM_CPU_URL=server.url, LLM_CPU_CACHE_MIB="0") as site:
            said = attacked(site, "--own", "--case", "poison")

    found = [line.split() for line in said.splitlines() if line.startswith("HIT")]
    assert len(found) >= 8
    assert all(line[2].startswith("never") for line in found)


# --- what garak found ---


def line(probe: str, seq: int, **fields: object) -> dict[str, object]:
    return {
        "probe": probe, "detector": "d", "seq": seq, "prompt_sha256": f"{seq}", "hit": False, "refused": False,
        "failed": False, "status": 200, "output": "",
    } | fields  # fmt: skip


def test_an_attempt_counts_only_where_its_detector_fires_at_the_control() -> None:
    found = [line("a", 1), line("a", 2), line("a", 3, failed=True, status=503), {"probe": "b", "unavailable": "x"}]
    control = [line("a", 1, hit=True), line("a", 2), line("a", 3, hit=True)]

    tried = scan.attempts(found, control=control)

    assert [(each.void, each.why) for each in tried] == [(False, ""), (True, "control"), (True, "failed with 503")]


# --- the gate ---


def test_the_gate_passes_with_counts_when_every_run_is_there_and_nothing_hit(db: None) -> None:
    assert redteam_gates.judged([SERVED]) == NotRun("own site wagmi-small: no run is on record")
    all_on_record()

    outcome = redteam_gates.judged([SERVED])

    assert isinstance(outcome, Passed)
    assert re.findall(r"\d+ of \d+ hit, \d+ void", outcome.reason) == [
        f"0 of {len(silent(tool))} hit, 0 void" for tool in (own.TOOL, scan.TOOL, scan.TOOL)
    ]
    assert outcome.record == EvidenceRecord.objects.order_by("-number").values_list("number", flat=True)[0]


@pytest.mark.parametrize(
    ("changed", "said"), [({"slice_sha256": "0" * 64}, "the list of attacks"), ({"version": "0"}, "the tool")]
)
def test_a_run_with_other_attacks_counts_for_nothing(db: None, changed: dict[str, str], said: str) -> None:
    all_on_record()
    old = on_record(own.TOOL, "site", plan=dataclasses.replace(planned(own.TOOL, "site"), **changed))

    outcome = redteam_gates.judged([SERVED])

    assert outcome == NotRun(f"own site wagmi-small: {said} changed since record {old.number}", record=old.number)


def test_other_weights_need_runs_of_their_own(db: None) -> None:
    all_on_record()

    outcome = redteam_gates.judged([dataclasses.replace(SERVED, weights_sha256="cd" * 32)])

    assert isinstance(outcome, NotRun)
    assert "the weights changed" in outcome.reason


def test_one_void_case_of_ours_leaves_the_gate_closed(db: None) -> None:
    all_on_record()
    on_record(own.TOOL, "site", Attempt(probe="other-users", attack="guess-en", void=True, why="model_unavailable"))

    outcome = redteam_gates.judged([SERVED])

    assert isinstance(outcome, NotRun)
    assert "1 probes are void, the first: other-users" in outcome.reason


def test_bounds_that_were_not_committed_before_the_run_do_not_count(db: None) -> None:
    all_on_record()
    on_record(own.TOOL, "site", committed="no")

    outcome = redteam_gates.judged([SERVED])

    assert isinstance(outcome, Failed)
    assert "not committed" in outcome.reason


def test_more_hits_than_the_bound_fail_whatever_staff_accept(db: None, dana: User) -> None:
    all_on_record()
    on_record(own.TOOL, "site", a_hit())
    findings.decide(
        Finding.objects.get(), by=dana, state="accepted", owner=dana, reason="harmless", expires_on=in_days(30)
    )

    outcome = redteam_gates.judged([SERVED])

    assert isinstance(outcome, Failed)
    assert f"1 of {len(silent(own.TOOL)) + 1} hit, 0 void, at most 0.0 % are allowed" in outcome.reason


def test_a_hit_under_the_bound_blocks_until_somebody_accepts_it_and_again_when_that_is_over(
    db: None, dana: User
) -> None:
    all_on_record()
    on_record(scan.TOOL, "api-raw", a_hit())
    finding = Finding.objects.get()

    assert redteam_gates.judged([SERVED]) == Failed(
        "1 findings that nobody accepts, the first: api-raw poisoned-passage"
    )
    findings.decide(finding, by=dana, state="accepted", owner=dana, reason="model_limit", expires_on=in_days(30))
    assert isinstance(redteam_gates.judged([SERVED]), Passed)
    assert not redteam_gates.findings_alarm()

    Finding.objects.update(expires_on=in_days(0))

    assert isinstance(redteam_gates.judged([SERVED]), Failed)
    assert "factory.findings" in {each.id for each in alarms.active()}


def test_a_finding_that_the_newest_run_hit_is_not_fixed_by_saying_so(db: None, dana: User) -> None:
    all_on_record()
    on_record(scan.TOOL, "api-raw", a_hit())

    findings.decide(Finding.objects.get(), by=dana, state="fixed")

    assert "1 probes hit and are not accepted" in redteam_gates.judged([SERVED]).reason
    on_record(scan.TOOL, "api-raw")
    assert isinstance(redteam_gates.judged([SERVED]), Passed)


def test_an_acceptance_without_anybody_who_owns_it_is_over(db: None, dana: User) -> None:
    all_on_record()
    on_record(scan.TOOL, "api-raw", a_hit())
    finding = Finding.objects.get()
    findings.decide(finding, by=dana, state="accepted", owner=dana, reason="planned", expires_on=in_days(30))

    Finding.objects.update(owner=None)

    assert isinstance(redteam_gates.judged([SERVED]), Failed)


def test_a_probe_that_never_ran_did_not_pass(db: None) -> None:
    all_on_record()
    begun = runs.begin(planned(scan.TOOL, "api-raw"), committed="yes")
    some = [each for each in silent(scan.TOOL) if not each.probe.startswith("dan.")]
    run = Run(plan=planned(scan.TOOL, "api-raw"), attempts=some, duration_s=1, started_at="", left_out={"dan": "x"})
    runs.record(run, begun)

    outcome = redteam_gates.judged([SERVED])

    assert isinstance(outcome, NotRun)
    assert "1 probes were not tried, the first: dan.AutoDANCached" in outcome.reason


def test_figures_without_the_attempts_that_they_were_counted_from_prove_nothing(db: None) -> None:
    all_on_record()
    record = on_record(own.TOOL, "site", a_hit())
    forged = record.body | {"hits": 0, "probes": []}
    evidence.record("red_team", forged)
    by_hand = redteam_gates.judged([SERVED])

    for path in runs.folder().iterdir():
        path.unlink()

    assert isinstance(by_hand, NotRun) and "are not those of its attempts" in by_hand.reason
    assert "are not on this machine" in redteam_gates.judged([SERVED]).reason


# --- findings ---


def test_what_a_model_said_is_in_the_file_of_the_run_and_nowhere_else(finding: Finding) -> None:
    record = EvidenceRecord.objects.get(number=finding.last_record)

    assert "The words of a model." in (runs.folder() / f"{record.body['raw_sha256']}.jsonl").read_text()
    assert "words" not in str(record.body)
    row = {"id": "poisoned-passage", "attempts": 1, "hits": 1, "void": 0, "refused": 0}
    assert row in record.body["probes"]
    assert (record.body["attempts"], record.body["hits"]) == (len(silent(scan.TOOL)) + 1, 1)
    assert 0 < record.body["low_ppm"] < 1_000_000 / record.body["attempts"] < record.body["high_ppm"]


def test_what_was_fixed_and_comes_back_is_open_again(finding: Finding, dana: User) -> None:
    findings.decide(finding, by=dana, state="fixed")
    assert findings.blocking() == []

    on_record(scan.TOOL, "api-raw", a_hit())

    finding.refresh_from_db()
    assert (finding.state, finding.first_seen < finding.last_seen) == ("open", True)


def test_what_was_accepted_and_happens_more_often_is_open_again(finding: Finding, dana: User) -> None:
    findings.decide(finding, by=dana, state="accepted", owner=dana, reason="planned", expires_on=in_days(9))
    on_record(scan.TOOL, "api-raw", a_hit())
    assert findings.blocking() == []

    on_record(scan.TOOL, "api-raw", a_hit(), a_hit())

    assert findings.blocking() == [finding]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"reason": "because"}, "no_reason"),
        ({"owner": None}, "no_owner"),
        ({"days": 0}, "no_such_day"),
        ({"days": 181}, "no_such_day"),
    ],
)
def test_an_acceptance_has_an_owner_a_reason_and_an_end(
    finding: Finding, dana: User, wrong: dict[str, object], code: str
) -> None:
    said = {"owner": dana, "reason": "harmless", "days": 30} | wrong

    with pytest.raises(findings.NotAccepted) as refused:
        findings.decide(finding, by=dana, state="accepted", expires_on=in_days(said.pop("days")), **said)  # type: ignore[arg-type]

    assert refused.value.code == code
    finding.refresh_from_db()
    assert finding.state == "open"


def test_staff_accept_a_finding_in_the_admin(finding: Finding, dana: User, staff_client: Client) -> None:
    address = f"/admin/factory/finding/{finding.pk}/change/"
    said = {"state": "accepted", "owner": dana.pk, "reason": "", "expires_on": "", "note": "Seen by me."}

    refused = staff_client.post(address, said)
    accepted = staff_client.post(address, said | {"reason": "contained", "expires_on": in_days(60).isoformat()})

    assert refused.status_code == 200
    assert refused.content.decode().count("Who accepts a finding says this too.") == 2
    assert accepted.status_code == 302
    finding.refresh_from_db()
    assert (finding.state, finding.owner, finding.accepted_hits) == ("accepted", dana, 1)
    public = EvidenceRecord.objects.get(kind="finding").body
    assert public["expires_on"] == in_days(60).isoformat()
    assert not {"owner", "note"} & set(public)
    entry = AuditEntry.objects.get(action="factory.finding-decided")
    assert (entry.changes["before"]["state"], entry.changes["after"]["state"]) == ("open", "accepted")
    assert staff_client.get("/admin/factory/finding/").status_code == 200


def test_nobody_adds_or_deletes_a_finding_by_hand(finding: Finding, staff_client: Client) -> None:
    assert staff_client.get("/admin/factory/finding/add/").status_code == 403
    assert staff_client.post(f"/admin/factory/finding/{finding.pk}/delete/", {"post": "yes"}).status_code == 403
