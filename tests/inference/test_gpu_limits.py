"""Caps on the GPU: from the environment until staff set them, with a reason, in the audit log."""

import datetime
import time
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.test import Client

from accounts.models import User
from compliance import alarms
from compliance.models import AuditEntry
from inference import budget_state, gpu_limits, people, switches
from inference.errors import LimitsDoNotAddUp, LimitTooHigh
from inference.models import AskerClass, Backend, GpuLedgerEntry, GpuLimit, Model, Wake
from tests.signed_in import sign_in, sign_in_as_staff

Scope, Window = GpuLimit.Scope, GpuLimit.Window
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rows(settings: Any) -> None:
    settings.LLM_GPU_DAY_S, settings.LLM_GPU_MONTH_S, settings.LLM_GPU_MONTH_USD = 7200, 180_000, 40.0
    settings.LLM_GPU_PAYING_SHARE, settings.LLM_GPU_PERSON_DAY_S = 0.4, 1800
    gpu_limits.sync()


@pytest.fixture
def backend() -> Backend:
    model = Model.objects.create(public_id="wagmi-large", tier="large", context_tokens=1024, max_output_tokens=200)
    return Backend.objects.create(name="gpu", model=model)


def limit(scope: str, window: str = Window.DAY) -> GpuLimit:
    return GpuLimit.objects.get(scope=scope, window=window)


def change(row: GpuLimit, seconds: int, actor: User, usd_cents: int = 0) -> None:
    gpu_limits.change(row, seconds=seconds, usd_cents=usd_cents, reason="trial", reference="T-1", actor=actor)


def test_defaults_keep_the_month_under_its_money_and_a_share_for_paying_customers() -> None:
    assert (limit(Scope.ALL).seconds, limit(Scope.ALL).usd_cents) == (7200, 160)
    assert (limit(Scope.PAYING).seconds, limit(Scope.SIGNED_IN).seconds) == (2880, 4320)
    assert limit(Scope.ALL, Window.MONTH).usd_cents == 4000
    assert limit(Scope.PERSON).seconds == 1800
    assert limit(Scope.ANONYMOUS).seconds == 0


def test_rows_follow_the_environment_until_staff_edit_them(settings: Any, dana: User) -> None:
    change(limit(Scope.SIGNED_IN), 600, dana)
    settings.LLM_GPU_DAY_S = 3600

    gpu_limits.sync()

    assert limit(Scope.ALL).seconds == 3600
    assert limit(Scope.SIGNED_IN).seconds == 600


def test_a_change_is_in_the_audit_log_with_who_why_before_and_after(dana: User) -> None:
    change(limit(Scope.SIGNED_IN), 600, dana, usd_cents=13)

    entry = AuditEntry.objects.get(action="inference.gpu-limit-change")
    assert entry.actor == f"user:{dana.public_id}"
    assert entry.object_id == "signed_in/day"
    assert entry.changes == {
        "before": {"seconds": 4320, "usd_cents": 96},
        "after": {"seconds": 600, "usd_cents": 13},
        "facts": {"reason": "trial", "reference": "T-1"},
    }


@pytest.mark.parametrize(("scope", "seconds"), [(Scope.SIGNED_IN, 4321), (Scope.ANONYMOUS, 1), (Scope.ALL, 7199)])
def test_the_classes_together_stay_within_everybody(scope: str, seconds: int, dana: User) -> None:
    with pytest.raises(LimitsDoNotAddUp) as refused:
        change(limit(scope), seconds, dana, usd_cents=limit(scope).usd_cents)

    assert refused.value.seconds == 1
    assert not AuditEntry.objects.exists()


def test_a_row_that_is_missing_is_a_cap_all_the_same() -> None:
    GpuLimit.objects.all().delete()

    assert next(iter(gpu_limits.caps([Scope.ALL]))).seconds == 7200


def test_caps_of_the_classes_together_are_those_of_everybody() -> None:
    found = gpu_limits.defaults()

    for window in Window.values:
        everybody = next(one for one in found if (one.scope, one.window) == (Scope.ALL, window))
        classes = [one for one in found if one.scope in AskerClass.values and one.window == window]
        assert sum(one.seconds for one in classes) == everybody.seconds
        assert sum(one.usd_cents for one in classes) == everybody.usd_cents


@pytest.mark.parametrize(
    ("day", "window", "expected"),
    [
        ((2028, 2, 28), Window.DAY, (2028, 2, 29)),
        ((2028, 2, 29), Window.MONTH, (2028, 3, 1)),
        ((2026, 12, 31), Window.DAY, (2027, 1, 1)),
        ((2026, 12, 31), Window.MONTH, (2027, 1, 1)),
        ((2026, 3, 29), Window.DAY, (2026, 3, 30)),
    ],
)
def test_windows_are_days_and_months_of_utc(day: Any, window: str, expected: Any) -> None:
    resets_at = gpu_limits.Cap(Scope.ALL, window, 0, 0).resets_at(datetime.date(*day))

    assert resets_at == datetime.datetime(*expected, tzinfo=datetime.UTC)


def test_a_budget_too_small_for_one_wake_is_an_alarm(settings: Any) -> None:
    settings.LLM_GPU_DAY_S = 60
    gpu_limits.sync()

    assert "gpu-limits" in {alarm.id for alarm in alarms.active()}


def test_a_bill_above_the_reservation_is_an_alarm() -> None:
    wake = Wake.objects.create(backend="gpu", asker_class=AskerClass.PAYING)
    today = datetime.datetime.now(datetime.UTC).date()
    GpuLedgerEntry.objects.create(
        wake=wake, kind="corrected", asker_class=AskerClass.PAYING, seconds=9, microusd=0, day=today
    )

    assert [alarm.text for alarm in alarms.active() if alarm.id == "gpu-bill"] == [
        "In the last 7 days 9 GPU seconds more were billed than were reserved."
    ]


def test_erasing_a_person_takes_their_id_off_the_ledger_and_leaves_the_seconds() -> None:
    alice = User.objects.create_user("alice@example.org")
    wake = Wake.objects.create(backend="gpu", asker_class=AskerClass.SIGNED_IN)
    today = datetime.datetime.now(datetime.UTC).date()
    GpuLedgerEntry.objects.create(
        wake=wake, kind="reserved", asker_class="signed_in", subject=alice.public_id, seconds=9, microusd=7, day=today
    )
    exported = people.gpu_seconds(alice)

    assert people.forget(sender=User, user=alice) == {"gpu_ledger_lines": 1}

    assert [line["seconds"] for line in exported] == [9]
    assert people.gpu_seconds(alice) == []
    assert GpuLedgerEntry.objects.get().seconds == 9


def test_a_switch_is_in_the_audit_log_once(backend: Backend, dana: User) -> None:
    assert switches.switch(backend, actor=dana, wake_enabled=False)
    assert not switches.switch(backend, actor=dana, wake_enabled=False)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_id) == ("inference.backend-switch", "gpu")
    assert entry.changes == {"before": {"wake_enabled": True}, "after": {"wake_enabled": False}}


@pytest.mark.parametrize(
    ("path", "action", "switch"),
    [
        ("model", "switch_off", "enabled"),
        ("backend", "switch_off", "enabled"),
        ("backend", "forbid_waking", "wake_enabled"),
    ],
)
def test_an_action_of_the_admin_switches_off_and_says_so(
    staff_client: Client, backend: Backend, path: str, action: str, switch: str
) -> None:
    row = backend if path == "backend" else backend.model

    response = staff_client.post(
        f"/admin/inference/{path}/", {"action": action, "_selected_action": [row.pk]}, follow=True
    )

    row.refresh_from_db()
    assert response.status_code == 200
    assert getattr(row, switch) is False
    assert AuditEntry.objects.filter(action=f"inference.{path}-switch").count() == 1


def test_a_checkbox_of_the_list_switches_waking_and_is_in_the_audit_log(staff_client: Client, backend: Backend) -> None:
    form = {
        "form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(backend.pk),
        "form-0-enabled": "on", "_save": "Save",
    }  # fmt: skip

    response = staff_client.post("/admin/inference/backend/", form, follow=True)

    backend.refresh_from_db()
    assert response.status_code == 200
    assert (backend.enabled, backend.wake_enabled) == (True, False)
    assert AuditEntry.objects.get(action="inference.backend-switch").changes["after"] == {"wake_enabled": False}


def test_a_description_is_saved_without_its_words_in_the_audit_log(staff_client: Client, backend: Backend) -> None:
    staff_client.post(
        f"/admin/inference/model/{backend.model_id}/change/", {"enabled": "on", "description": "For long answers."}
    )

    assert Model.objects.get().description == "For long answers."
    assert not AuditEntry.objects.filter(object_kind="model").exists()


def test_the_admin_asks_for_a_reason(staff_client: Client) -> None:
    row = limit(Scope.SIGNED_IN)
    path = f"/admin/inference/gpulimit/{row.pk}/change/"

    without = staff_client.post(path, {"seconds": 600, "usd_cents": 13})
    with_one = staff_client.post(
        path, {"seconds": 600, "usd_cents": 13, "reason": "price", "reference": "2026/7"}, follow=True
    )

    assert without.status_code == 200 and b"errornote" in without.content
    assert with_one.redirect_chain
    assert limit(Scope.SIGNED_IN).seconds == 600
    facts = AuditEntry.objects.get(action="inference.gpu-limit-change").changes["facts"]
    assert facts == {"reason": "price", "reference": "2026/7"}


@pytest.mark.parametrize(
    "reference", ["dana@example.org", "192.0.2.7", "she asked for it", "Alice_Miller/0612345678", "0612345678", "INV-7"]
)
def test_the_admin_takes_no_words_into_the_audit_log(staff_client: Client, reference: str) -> None:
    row = limit(Scope.SIGNED_IN)

    response = staff_client.post(
        f"/admin/inference/gpulimit/{row.pk}/change/",
        {"seconds": 600, "usd_cents": 13, "reason": "price", "reference": reference},
    )

    assert b"errornote" in response.content
    assert limit(Scope.SIGNED_IN).seconds == 4320


def test_the_admin_says_which_sum_does_not_add_up(staff_client: Client) -> None:
    row = limit(Scope.SIGNED_IN)

    response = staff_client.post(
        f"/admin/inference/gpulimit/{row.pk}/change/", {"seconds": 9000, "usd_cents": 96, "reason": "demand"}
    )

    assert b"4680 seconds" in response.content
    assert limit(Scope.SIGNED_IN).seconds == 4320


@pytest.mark.parametrize("reference", ["", "482", "#482", "2026-0113", "2026/7"])
def test_the_admin_takes_the_number_of_a_ticket(staff_client: Client, reference: str) -> None:
    staff_client.post(
        f"/admin/inference/gpulimit/{limit(Scope.PERSON).pk}/change/",
        {"seconds": 600, "usd_cents": 13, "reason": "other", "reference": reference},
    )

    assert limit(Scope.PERSON).seconds == 600


@pytest.mark.parametrize(("seconds", "usd_cents"), [(31 * 86_400 + 1, 13), (600, 10_000_001)])
def test_no_cap_is_set_above_a_month_or_a_fortune(
    staff_client: Client, dana: User, seconds: int, usd_cents: int
) -> None:
    row = limit(Scope.PERSON, Window.MONTH)

    response = staff_client.post(
        f"/admin/inference/gpulimit/{row.pk}/change/",
        {"seconds": seconds, "usd_cents": usd_cents, "reason": "demand"},
    )

    assert b"errornote" in response.content
    with pytest.raises(LimitTooHigh):
        change(row, seconds, dana, usd_cents)
    assert limit(Scope.PERSON, Window.MONTH).edited_at is None


@pytest.mark.parametrize("age_s", [29 * 60, 31 * 60])
def test_changing_a_cap_needs_a_proof_of_the_last_half_hour(dana: User, age_s: float) -> None:
    row, path = limit(Scope.PERSON), f"/admin/inference/gpulimit/{limit(Scope.PERSON).pk}/change/"
    client = Client()
    sign_in(client, dana, "code", "mfa", at=time.time() - age_s)

    opened = client.get(path)
    saved = client.post(path, {"seconds": 600, "usd_cents": 13, "reason": "other"})

    row.refresh_from_db()
    if age_s < 30 * 60:
        assert opened.status_code == 200 and row.seconds == 600
    else:
        assert opened.url == saved.url == f"/accounts/proof/?next={quote_plus(path)}"  # type: ignore[attr-defined]
        assert row.seconds == 1800
        assert client.get("/admin/inference/gpulimit/").status_code == 200


@pytest.mark.parametrize("form", ["action", "checkbox", "page"])
def test_switching_needs_a_proof_of_the_last_half_hour(dana: User, backend: Backend, form: str) -> None:
    path, fields = {
        "action": ("/admin/inference/backend/", {"action": "switch_off", "_selected_action": backend.pk}),
        "checkbox": (
            "/admin/inference/backend/",
            {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": backend.pk, "_save": "Save"},
        ),
        "page": (f"/admin/inference/backend/{backend.pk}/change/", {"wake_enabled": "on"}),
    }[form]
    stale, fresh = Client(), Client()
    sign_in(stale, dana, "code", "mfa", at=time.time() - 31 * 60)
    sign_in_as_staff(fresh, dana)

    refused = stale.post(path, fields)
    backend.refresh_from_db()
    still_on = backend.enabled
    fresh.post(path, fields)
    backend.refresh_from_db()

    assert refused.url == f"/accounts/proof/?next={quote_plus(path)}" and still_on  # type: ignore[attr-defined]
    assert not backend.enabled


@pytest.mark.parametrize("path", ["wake", "gpuledgerentry"])
def test_wakes_and_ledger_are_read_and_never_written(staff_client: Client, path: str) -> None:
    wake = Wake.objects.create(backend="gpu", asker_class=AskerClass.PAYING)
    today = datetime.datetime.now(datetime.UTC).date()
    GpuLedgerEntry.objects.create(
        wake=wake, kind="reserved", asker_class="paying", seconds=600, microusd=170_000, day=today
    )

    assert b"600" in staff_client.get(f"/admin/inference/{path}/").content
    assert staff_client.get(f"/admin/inference/{path}/add/").status_code == 403
    row = wake if path == "wake" else wake.ledger.get()
    assert staff_client.post(f"/admin/inference/{path}/{row.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.fixture(autouse=True)
def _forget() -> None:
    budget_state.forget()
