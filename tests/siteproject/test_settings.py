"""Settings: declared once, documented once, and loud when they are weak."""

import itertools
import re

import pytest
from django.conf import settings
from django.core.checks import run_checks

from siteproject.stack.folder import ROOT

SOURCE = (ROOT / "siteproject" / "settings.py").read_text()
EXAMPLE = (ROOT / ".env.example").read_text().splitlines()
DECLARED = dict(re.findall(r"^    ([A-Z][A-Z0-9_]+)=\((?:bool|str|int|float|list), (.*)\),$", SOURCE, re.MULTILINE))
# A sound large tier, whose machine cannot be told to sleep.
LARGE = {
    "LLM_GPU": {**settings.LLM_GPU, "url": "https://gpu.example.org"},
    "LLM_GPU_DRIVER": "wake_url",
    "LLM_GPU_WAKE_URL": "https://gpu.example.org/wake",
    "LLM_GPU_WAKE_TOKEN": "x" * 40,
    "LLM_GPU_PROVIDER_LIMIT_S": 120.0,
}


def ids() -> set[str]:
    return {message.id for message in run_checks()}


def test_every_declared_variable_is_in_the_example_with_its_default() -> None:
    listed = dict(line.split("=", 1) for line in EXAMPLE if line and not line.startswith("#"))

    assert listed.keys() == DECLARED.keys()
    for name, default in DECLARED.items():
        expected = default.strip('"[]').replace('"', "")
        if re.fullmatch(r"[\d._]+", expected):
            expected = expected.replace("_", "")
        assert listed[name] == expected, name


def test_every_variable_in_the_example_has_a_line_of_meaning_above() -> None:
    for above, line in itertools.pairwise(EXAMPLE):
        if line and not line.startswith("#"):
            assert above.startswith("# ") or "=" in above, line


def test_only_settings_and_the_stack_read_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for app in ("siteproject", "compliance", "accounts", "content", "billing", "inference", "chat")
        for path in (ROOT / app).rglob("*.py")
        if "os.environ" in path.read_text() and "stack" not in path.parts
    }

    assert readers <= {
        "siteproject/asgi.py",
        "siteproject/celery.py",
        "siteproject/serve.py",
        "siteproject/switch.py",
        "siteproject/worker.py",
        "siteproject/settings.py",
    }


def test_a_sound_configuration_raises_no_error() -> None:
    assert not [message for message in run_checks() if message.is_serious()]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SEAL_KEY": ""}, "siteproject.E001"),
        ({"SEAL_KEY": "short"}, "siteproject.E002"),
        ({"SEAL_KEY": "x" * 50, "PRIVACY_PEPPER": "x" * 50}, "siteproject.W003"),
        ({"SITE_URL": "ftp://example.org"}, "siteproject.E004"),
        ({"SITE_URL": "https://example.org/blog"}, "siteproject.E004"),
        ({"SITE_URL": "https://example.org?q=1"}, "siteproject.E004"),
        ({"SITE_URL": "https://example.org#top"}, "siteproject.E004"),
        ({"CHAT_URL": "https://u:p@example.org"}, "siteproject.E004"),
        ({"CHAT_URL": "https://example.org:99999"}, "siteproject.E004"),
        ({"CHAT_URL": "https://example.org:0"}, "siteproject.E004"),
        ({"CHAT_URL": "https://example.org:"}, "siteproject.E004"),
        ({"CHAT_URL": "https://example.org:443"}, "siteproject.E004"),
        ({"CHAT_URL": "http://localhost:80"}, "siteproject.E004"),
        ({"API_URL": "'https://example.org'"}, "siteproject.E004"),
        ({"API_URL": 'https://example.org"; img-src *'}, "siteproject.E004"),
        ({"API_URL": "https://Example.org"}, "siteproject.E004"),
        ({"API_URL": "HTTPS://example.org"}, "siteproject.E004"),
        ({"API_URL": "https://example.org."}, "siteproject.E004"),
        ({"API_URL": "https://.example.org"}, "siteproject.E004"),
        ({"API_URL": "https://*"}, "siteproject.E004"),
        ({"API_URL": "http://[::1]:8000"}, "siteproject.E004"),
        ({"API_URL": "https://example.org\n"}, "siteproject.E004"),
        ({"SITE_URL": "http://example.org"}, "siteproject.E005"),
        ({"LLM_CPU": {**settings.LLM_CPU, "url": "file:///etc/passwd"}}, "siteproject.E006"),
        ({"LLM_CPU": {**settings.LLM_CPU, "url": "http://user:pw@127.0.0.1"}}, "siteproject.E006"),
        ({"LLM_CPU": {**settings.LLM_CPU, "runtime": "abacus"}}, "siteproject.E007"),
        ({"DEBUG": True, "SITE_URL": "https://example.org"}, "siteproject.E011"),
        ({"DEBUG": True, "BIND": "0.0.0.0"}, "siteproject.E011"),
        ({"TRUSTED_PROXY_COUNT": 1, "BIND": "0.0.0.0"}, "siteproject.W012"),
        ({"CHAT_RATE_LIMIT": "often"}, "siteproject.E008"),
        ({"LLM_CPU": {**settings.LLM_CPU, "max_output_tokens": 9999}}, "siteproject.E009"),
        ({"LLM_GPU": {**settings.LLM_GPU, "url": "file:///etc/passwd"}}, "siteproject.E006"),
        ({"LLM_GPU_WAKE_URL": "https://user:pw@example.org"}, "siteproject.E006"),
        ({"LLM_GPU": {**settings.LLM_GPU, "runtime": "abacus"}}, "siteproject.E007"),
        ({"LLM_SLOW": {**settings.LLM_SLOW, "runtime": "abacus"}}, "siteproject.E007"),
        ({"LLM_SLOW": {**settings.LLM_SLOW, "tier": "middle"}}, "siteproject.E018"),
        ({"LLM_EMBED": {**settings.LLM_EMBED, "runtime": "ollama"}}, "siteproject.E007"),
        ({"LLM_EMBED": {**settings.LLM_EMBED, "url": "file:///etc/passwd"}}, "siteproject.E006"),
        ({"LLM_EMBED": {**settings.LLM_EMBED, "url": "http://example.org", "key": "k"}}, "siteproject.E016"),
        ({"LLM_GPU": {**settings.LLM_GPU, "hardware": "abacus"}}, "siteproject.E018"),
        ({"LLM_GPU_DRIVER": "prayer"}, "siteproject.E013"),
        ({**LARGE, "LLM_GPU_WAKE_METHOD": "PUT"}, "siteproject.E013"),
        ({**LARGE, "LLM_GPU_WAKE_URL": ""}, "siteproject.E014"),
        ({**LARGE, "LLM_GPU_DRIVER": "start_stop", "LLM_GPU_SLEEP_URL": ""}, "siteproject.E014"),
        ({"LLM_GPU_DRIVER": "wake_url", "LLM_GPU_WAKE_URL": "https://example.org"}, "siteproject.E014"),
        ({**LARGE, "LLM_GPU_PROVIDER_LIMIT_S": 0.0}, "siteproject.E015"),
        ({**LARGE, "LLM_GPU_PROVIDER_LIMIT_S": 3600.0}, "siteproject.E015"),
        ({**LARGE, "LLM_GPU_WAKE_URL": "http://example.org/wake"}, "siteproject.E016"),
        ({"LLM_GPU": {**settings.LLM_GPU, "url": "http://gpu.example.org", "key": "k"}}, "siteproject.E016"),
        ({"LLM_SLOW": {**settings.LLM_SLOW, "url": "http://192.0.2.7:8000", "key": "k"}}, "siteproject.E016"),
        ({"LLM_CPU": {**settings.LLM_CPU, "url": "http://cpu.example.org", "key": "k"}}, "siteproject.E016"),
        ({**LARGE, "LLM_GPU_HEARTBEAT_S": 30.0}, "siteproject.E017"),
    ],
)
def test_a_weak_setting_is_named_by_a_check(settings, changes: dict[str, object], expected: str) -> None:  # type: ignore[no-untyped-def]
    for name, value in changes.items():
        setattr(settings, name, value)

    assert expected in ids()


def test_a_sound_large_tier_raises_no_error(settings) -> None:  # type: ignore[no-untyped-def]
    for name, value in LARGE.items():
        setattr(settings, name, value)

    assert not [message for message in run_checks() if message.is_serious()]


@pytest.mark.parametrize(
    "address",
    ["https://www.example.org", "https://xn--nxasmq6b.example:8443", "http://localhost:8000", "http://127.0.0.1:8000"],
)
def test_an_address_of_scheme_host_and_port_is_taken(settings, address: str) -> None:  # type: ignore[no-untyped-def]
    for name in ("SITE_URL", "CHAT_URL", "API_URL"):
        setattr(settings, name, address)

    assert not ids() & {"siteproject.E004", "siteproject.E005"}


def test_checks_never_print_a_value(settings) -> None:  # type: ignore[no-untyped-def]
    settings.SEAL_KEY = "hunter2"

    assert not [message for message in run_checks() if "hunter2" in str(message)]


def test_a_public_site_names_what_its_operator_has_not_filled_in(settings) -> None:  # type: ignore[no-untyped-def]
    settings.HTTPS = True
    settings.IMPRINT_NAME = "An organisation"

    message = next(message for message in run_checks() if message.id == "siteproject.W010")

    assert "GOVERNING_LAW" in message.msg and "IMPRINT_HOST" in message.msg and "IMPRINT_NAME" not in message.msg
