"""What the static edge promises, with the real nginx in front of the real application."""

import gzip
import itertools
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from content.export import file_name
from content.site import public_pages
from tests.edge.stage import HOST, NAMES, RENDER, Edge, environment, render, restart_web, self_signed
from tests.live import ask, events_of, received, text_of
from tests.scripted import ScriptedServer, slowly

pytestmark = pytest.mark.slow

FOR_THE_MODEL = "Which licence is the code under and can I reuse it?"
SLOWLY = slowly(0.25, ("the ", "code ", "is ", "under ", "the ", "Apache ", "licence, ", "version ", "two") * 2)
JSON_TYPE = "application/json"


@pytest.fixture(autouse=True)
def _as_ever(model: ScriptedServer) -> None:
    model.reset()


# --- Files --------------------------------------------------------------------------------------


def test_every_page_is_the_exported_one(edge: Edge) -> None:
    out = Path(edge.env["SITE_EXPORT_DIR"])
    with httpx.Client(verify=edge.trust) as client:
        for page in public_pages():
            answer = client.send(edge.build(client, "GET", page.path))
            assert answer.status_code == 200, page.path
            assert answer.content == (out / file_name(page.path)).read_bytes()
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["cache-control"] == "public, max-age=60, stale-while-revalidate=600"
            assert "set-cookie" not in answer.headers and "x-request-id" not in answer.headers


def test_pages_and_the_applications_answers_carry_the_same_rules_each_once(edge: Edge) -> None:
    answers = [edge.get(path) for path in ("/", "/nowhere/", "/live/en/chat/", "/api/status", "/robots.txt")]

    for name in ("strict-transport-security", "x-content-type-options"):
        assert {tuple(answer.headers.get_list(name)) for answer in answers if name in answer.headers}.__len__() == 1
    for answer in answers:
        for name in ("content-security-policy", "x-frame-options", "referrer-policy", "strict-transport-security"):
            assert len(answer.headers.get_list(name)) == 1, (answer.url, name)
        assert "nginx/" not in answer.headers.get("server", "")


def test_a_compressed_form_is_sent_to_whom_it_suits(edge: Edge) -> None:
    packed = edge.get("/", headers={"accept-encoding": "gzip"})
    plain = edge.get("/", headers={"accept-encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip" and "Accept-Encoding" in packed.headers["vary"]
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, 9, mtime=0))
    assert edge.get("/", headers={"if-none-match": plain.headers["etag"]}).status_code in (200, 304)


def test_assets_may_be_kept_and_feeds_and_texts_have_their_types(edge: Edge) -> None:
    out = Path(edge.env["SITE_EXPORT_DIR"])
    script = next((out / "static/js").glob("chat.*.js")).name

    asset = edge.get(f"/static/js/{script}")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["content-type"] == "text/javascript; charset=utf-8"
    assert edge.get("/llms.txt").headers["content-type"] == "text/plain; charset=utf-8"
    assert edge.get("/blog/feed.xml").headers["content-type"].startswith("application/atom+xml")
    assert edge.get("/sitemap.xml").headers["content-type"].startswith("application/xml")


def test_an_asset_that_only_the_application_knows_comes_from_there(edge: Edge) -> None:
    manifest = json.loads((edge.site.folder.path / "static/staticfiles.json").read_text())["paths"]

    assert edge.get(f"/static/{manifest['admin/css/base.css']}").status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/blog", 301, "/blog/"),
        ("/fr/blog", 301, "/fr/blog/"),
        ("/method/", 301, "/frugality/"),
        ("/_headers", 404, None),
        ("/_redirects", 404, None),
        ("/CHECKSUMS", 404, None),
        ("/index.html", 404, None),
        ("/index.html.br", 404, None),
        ("/404.html", 404, None),
        ("/fr/503.html", 404, None),
        ("/static/", 404, None),
        ("/..%2f..%2fetc/passwd", 400, None),
    ],
)
def test_an_address_has_one_page_and_the_hosts_own_files_have_none(
    edge: Edge, path: str, status: int, location: str | None
) -> None:
    answer = edge.get(path)

    assert (answer.status_code, answer.headers.get("location")) == (status, location)


def test_what_is_not_there_is_said_in_the_language_of_the_address(edge: Edge) -> None:
    for path, language in (("/nowhere/", "en"), ("/nowhere", "en"), ("/fr/nulle-part/", "fr")):
        answer = edge.get(path)
        assert answer.status_code == 404 and f'lang="{language}"' in answer.text


# --- TLS and plain http -------------------------------------------------------------------------


def test_plain_http_leads_to_https_and_lets_a_certificate_authority_look(edge: Edge) -> None:
    challenge = edge.state / "acme/.well-known/acme-challenge"
    challenge.mkdir(parents=True, exist_ok=True)
    (challenge / "token").write_text("proof")
    plain = f"http://127.0.0.1:{edge.http_port}"

    led = httpx.get(f"{plain}/blog/?q=1", headers={"host": HOST})
    assert (led.status_code, led.headers["location"]) == (308, f"{edge.url}/blog/?q=1")
    assert httpx.get(f"{plain}/.well-known/acme-challenge/token", headers={"host": HOST}).text == "proof"


def test_older_tls_is_refused(edge: Edge) -> None:
    old = ssl.create_default_context(cafile=str(edge.certificate))
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", edge.https_port)) as plain:
        old.wrap_socket(plain, server_hostname=HOST)


def test_a_host_that_is_not_ours_is_told_nothing(edge: Edge) -> None:
    with pytest.raises(httpx.HTTPError):
        edge.get("/", host="other.localhost")
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{edge.http_port}/", headers={"host": "other.example"})


# --- The application behind it ------------------------------------------------------------------


def test_events_reach_the_reader_as_they_are_written(edge: Edge, model: ScriptedServer) -> None:
    model.behaviour = SLOWLY
    came: list[float] = []
    with httpx.Client(verify=edge.trust, timeout=60) as client:
        request = edge.build(client, "POST", "/api/chat", json=ask(FOR_THE_MODEL))
        answer = client.send(request, stream=True)
        for line in answer.iter_lines():
            if '"delta"' in line:
                came.append(time.monotonic())

    assert answer.status_code == 200
    assert len(came) > 5 and came[-1] - came[0] > 1.0


def test_a_socket_carries_an_answer_and_stop_ends_it_at_the_model(edge: Edge, model: ScriptedServer) -> None:
    model.behaviour = slowly(0.25, ("word ",) * 200)
    asked = ask(FOR_THE_MODEL)
    with edge.socket() as connection:
        connection.send(json.dumps({"type": "ask", **asked}))
        begun = received(connection, until=("delta",))
        connection.send(json.dumps({"type": "stop", "id": asked["id"], "secret": asked["secret"]}))
        ended = received(connection)

    assert begun[-1]["type"] == "delta"
    assert (ended[-1]["type"], ended[-1]["finish_reason"]) == ("done", "stopped")


def test_a_reader_who_leaves_ends_the_answer_through_the_edge(edge: Edge, model: ScriptedServer) -> None:
    model.behaviour = slowly(0.25, ("word ",) * 200)
    with httpx.Client(verify=edge.trust, timeout=60) as client:
        answer = client.send(edge.build(client, "POST", "/api/chat", json=ask(FOR_THE_MODEL)), stream=True)
        next(line for line in answer.iter_lines() if '"delta"' in line)
        answer.close()
    left = time.monotonic()

    while model.last.closed_at is None and time.monotonic() < left + 10:
        time.sleep(0.05)
    assert model.last.closed_at is not None and model.last.closed_at - left < 2


def test_what_is_too_large_is_refused_at_the_edge_in_the_askers_shape(edge: Edge) -> None:
    body = b"x" * (321 * 1024)

    machine = edge.request("POST", "/api/chat", content=body, headers={"content-type": JSON_TYPE})
    person = edge.request("POST", "/live/fr/chat/", content=body)

    assert machine.status_code == 413 and machine.json()["error"]["code"] == "too_large"
    assert person.status_code == 413 and 'lang="fr"' in person.text


def test_nothing_that_a_visitor_said_or_was_given_is_written_down(edge: Edge) -> None:
    edge.get("/?q=a-secret-word")
    edge.get("/live/en/chat/?question=a-secret-word")
    edge.get("/accounts/staff/a-secret-word/")
    edge.request("POST", "/api/chat?a-secret-word", json=ask("a-secret-word"))

    written = edge.written()
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert "a-secret-word" not in written and "127.0.0.1" not in written
    assert {line["address"] for line in lines} == {"127.0.0.0"}
    assert {"/", "/live/en/chat/", "/accounts/-", "/api/chat"} <= {line["path"] for line in lines}
    assert not [path for path in (edge.state / "temp").rglob("*") if path.is_file()]


# --- The application away -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def away(edge: Edge) -> Iterator[Edge]:
    """The edge while the application is stopped; it comes back afterwards."""
    edge.site.stop()
    yield edge
    restart_web(edge.site)


class TestWhileTheApplicationIsAway:
    """One group, so that the application is stopped once."""

    def test_pages_feeds_assets_and_the_page_for_nothing_are_served(self, away: Edge) -> None:
        for path in ("/", "/fr/", "/blog/", "/blog/feed.xml", "/sitemap.xml", "/llms.txt"):
            assert away.get(path).status_code == 200, path
        assert away.get("/fr/nulle-part/").status_code == 404

    @pytest.mark.parametrize("path", ["/api/chat", "/api/status", "/v1/models", "/health"])
    def test_machines_are_told_in_json(self, away: Edge, path: str) -> None:
        answer = away.get(path)

        assert answer.status_code == 503 and answer.headers["content-type"].startswith(JSON_TYPE)
        assert answer.headers["retry-after"] == "5" and answer.headers["cache-control"] == "no-store"
        assert {"code", "message", "type", "param", "request_id"} == set(answer.json()["error"])
        assert answer.json()["error"]["code"] == "away"

    @pytest.mark.parametrize(
        ("path", "language"), [("/live/en/chat/", "en"), ("/live/fr/chat/", "fr"), ("/admin/", "en")]
    )
    def test_people_are_told_on_a_page_in_their_language(self, away: Edge, path: str, language: str) -> None:
        for method in ("GET", "POST"):
            answer = away.request(method, path)
            assert answer.status_code == 503 and f'lang="{language}"' in answer.text
            assert len(answer.headers.get_list("content-security-policy")) == 1

    def test_too_many_at_once_are_told_so_and_pages_still_come(self, away: Edge) -> None:
        with httpx.Client(verify=away.trust) as client:
            answers = [client.send(away.build(client, "GET", "/api/status")) for _ in range(400)]

        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused and refused[0].json()["error"]["code"] == "rate_limited"
        assert away.get("/").status_code == 200


def test_it_is_back_when_the_application_is(edge: Edge) -> None:
    if edge.site.processes["web"].poll() is not None:
        restart_web(edge.site)
    deadline = time.monotonic() + 10
    while (answer := edge.request("POST", "/api/chat", json=ask(FOR_THE_MODEL))).status_code == 429:
        assert time.monotonic() < deadline
        time.sleep(0.5)

    assert answer.status_code == 200
    assert "Apache" in text_of(events_of(answer.text))


# --- Hosts apart --------------------------------------------------------------------------------

_SITE_HOST, CHAT_HOST, API_HOST = NAMES


@pytest.mark.parametrize("spelling", ["{}", "{}:1", "{}.", "{}:443"])
def test_the_apis_host_hands_on_nothing_but_v1_and_health(edge_apart: Edge, spelling: str) -> None:
    headers = {"host": spelling.format(API_HOST)}

    for path in ("/", "/admin/", "/api/facts", "/blog/", "/live/en/chat/", "/static/", "/robots.txt"):
        answer = edge_apart.get(path, host=API_HOST, headers=headers)
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found", path
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
    assert edge_apart.get("/health", host=API_HOST, headers=headers).json() == {"status": "ok"}


@pytest.mark.parametrize("spelling", ["{}", "{}:1", "{}."])
def test_the_chats_host_keeps_to_its_own_however_it_is_spelled(edge_apart: Edge, spelling: str) -> None:
    headers = {"host": spelling.format(CHAT_HOST)}

    assert edge_apart.get("/api/facts", host=CHAT_HOST, headers=headers).status_code == 200
    led = edge_apart.get("/blog/", host=CHAT_HOST, headers=headers)
    assert (led.status_code, led.headers["location"]) == (307, f"{edge_apart.url}/blog/")
    assert edge_apart.get("/v1/models", host=CHAT_HOST, headers=headers).status_code == 404


def test_with_hosts_apart_the_sites_host_answers_no_health_and_no_v1(edge_apart: Edge) -> None:
    for path in ("/health", "/v1/models"):
        assert edge_apart.get(path).status_code == 404


def answers_until_refused(edge: Edge, host: str, *paths: str) -> httpx.Response:
    """Ask for ``paths`` in turn until the edge says that the last of them is too much; 600 times at most."""
    with httpx.Client(verify=edge.trust, timeout=60) as client:
        for path in itertools.islice(itertools.cycle(paths), 600):
            answer = client.send(edge.build(client, "HEAD", path, host=host))
            if answer.status_code == 429 and path == paths[-1]:
                break
    return answer


@pytest.mark.parametrize(
    ("host", "paths"),
    [
        (API_HOST, ("/health", "/v1/models")),
        (CHAT_HOST, ("/health", "/", "/api/status", "/accounts/staff/x/")),
    ],
)
def test_no_path_to_the_application_goes_round_the_limits(edge_apart: Edge, host: str, paths: tuple[str, ...]) -> None:
    for path in paths:
        assert answers_until_refused(edge_apart, host, path).status_code == 429, path
    machine = edge_apart.get("/health", host=host)
    assert machine.status_code == 429 and machine.json()["error"]["code"] == "rate_limited"


def test_an_asset_that_only_the_application_knows_counts_as_a_page(edge_apart: Edge) -> None:
    script = next((Path(edge_apart.env["SITE_EXPORT_DIR"]) / "static/js").glob("chat.*.js")).name

    # The one that lies at the edge comes fast enough to reach the limit, and the other one finds it reached.
    assert answers_until_refused(edge_apart, CHAT_HOST, f"/static/js/{script}", "/static/js/gone.js").status_code == 429


# --- The configuration --------------------------------------------------------------------------

SITE = "https://site.localhost"
APART = {"CHAT_URL": "https://chat.localhost", "API_URL": "https://api.localhost"}


@pytest.mark.parametrize(
    "hosts",
    [
        {},
        APART,
        {"CHAT_URL": APART["CHAT_URL"]},
        {"API_URL": APART["API_URL"]},
        {"CHAT_URL": APART["CHAT_URL"], "API_URL": APART["CHAT_URL"]},
    ],
)
def test_nginx_takes_the_configuration_for_each_way_to_part_the_hosts(
    edge: Edge, tmp_path: Path, hosts: dict[str, str]
) -> None:
    (tmp_path / "temp").mkdir()
    certificate, key = self_signed(tmp_path)
    env = environment(tmp_path, Path(edge.env["SITE_EXPORT_DIR"]), certificate, key, SITE_URL=SITE, **hosts)
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(render(env | {"EDGE_HTTPS_PORT": "8443", "EDGE_HTTP_PORT": "8080"}))

    done = subprocess.run(["nginx", "-t", "-c", str(configuration)], capture_output=True, text=True, timeout=20)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SITE_URL": "http://site.example"}, "SITE_URL must be an https address"),
        ({"SITE_URL": "https://site.example:99999"}, "SITE_URL must be an https address"),
        ({"CHAT_URL": "https://Chat.example"}, "CHAT_URL must be an https address"),
        ({"CHAT_URL": "https://chat.example; include /etc/passwd"}, "CHAT_URL must be an https address"),
        ({"API_URL": "https://api.example/v1"}, "API_URL must be an https address"),
        ({"SITE_URL": ""}, "SITE_URL is not set"),
        ({"EDGE_CERTIFICATE": ""}, "EDGE_CERTIFICATE is not set"),
        ({"EDGE_STATE_DIR": "/tmp/x; include /etc/passwd"}, "EDGE_STATE_DIR has a character"),
        ({"SITE_EXPORT_DIR": "/nowhere"}, "holds no exported site"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(edge: Edge, changes: dict[str, str], said: str) -> None:
    done = subprocess.run([str(RENDER)], env=edge.env | changes, capture_output=True, text=True, timeout=20)

    assert done.returncode == 1 and said in done.stderr and done.stdout == ""
