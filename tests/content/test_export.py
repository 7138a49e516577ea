"""The public site as files: what is in the folder, what keeps it from being written, and how it is replaced."""

import fcntl
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest
from django.conf import settings as site_settings
from django.core.management import CommandError, call_command
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import URLPattern, path

import siteproject.urls
from content.export import ERROR_STATUSES, Exported, ExportFailed, address_of, error_name, export, file_name
from content.export_folder import read_checksums, write
from content.library import languages
from content.site import public_pages
from siteproject.errors import error_page
from siteproject.stack.folder import ROOT

HOST = "https://site.example"
INTERNET: dict[str, Any] = {"ALLOWED_HOSTS": ["site.example"], "HTTPS": True, "SECURE_HSTS_SECONDS": 31_536_000}
PAGE = '<!doctype html><html lang="en"><title>t</title>{}</html>'


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static files under their hashed names, collected once."""
    folder = tmp_path_factory.mktemp("collected")
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"VAR_DIR": str(folder)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "static"


@pytest.fixture(scope="module")
def real_site(collected: Path) -> Iterator[None]:
    """The settings of a site on the internet."""
    storages = site_settings.STORAGES | {"staticfiles": {"BACKEND": "siteproject.storage.ModuleManifestStorage"}}
    urls = {"SITE_URL": HOST, "CHAT_URL": HOST, "API_URL": HOST}
    with override_settings(STATIC_ROOT=collected, STORAGES=storages, **urls, **INTERNET):
        yield


@pytest.fixture(scope="module")
def exported(real_site: None) -> Exported:
    return export(error_page=error_page)


@pytest.fixture
def small_site(real_site: None, tmp_path: Path) -> Iterator[None]:
    """The same site with nothing but its pages, which is exported in a moment."""
    shutil.copytree(site_settings.CONTENT_DIR / "pages", tmp_path / "content/pages")
    shutil.copy(site_settings.CONTENT_DIR / "topics.yaml", tmp_path / "content")
    with override_settings(CONTENT_DIR=tmp_path / "content"):
        yield


@pytest.mark.slow
def test_every_public_page_file_and_error_page_is_in_it_as_the_application_serves_it(
    exported: Exported, client: Client
) -> None:
    for page in public_pages():
        served = client.get(page.path, headers={"host": "site.example"})
        assert exported.files[file_name(page.path)] == served.content, page.path
    for name in ("robots.txt", "llms.txt", "ai.txt"):
        assert exported.files[name] == client.get(f"/{name}", headers={"host": "site.example"}).content
    for code in languages():
        for status in ERROR_STATUSES:
            html = exported.files[error_name(status, code)].decode()
            assert f'lang="{code}"' in html and str(status) in html


@pytest.mark.slow
def test_what_machines_read_is_in_it_feeds_and_sitemaps_of_each_language_too(exported: Exported) -> None:
    for code in languages():
        prefix = "" if code == languages()[0] else f"{code}/"
        assert f"{prefix}blog/feed.xml" in exported.files
        assert f"sitemap-{code}.xml" in exported.files
    listed = re.findall(r"<loc>([^<]+)</loc>", exported.files["sitemap-en.xml"].decode())
    assert listed and all(file_name(address.removeprefix(HOST)) in exported.files for address in listed)
    assert exported.types["blog/feed.xml"].startswith("application/atom+xml")
    assert "site.webmanifest" in exported.files


@pytest.mark.slow
def test_pages_name_themselves_by_the_real_host_and_no_other(exported: Exported) -> None:
    assert f'rel="canonical" href="{HOST}/fr/"' in exported.files["fr/index.html"].decode()
    for page in public_pages():
        head = exported.files[file_name(page.path)].decode().partition("</head>")[0]
        assert f'rel="canonical" href="{HOST}{page.path}"' in head
        assert f'rel="alternate" hreflang="{page.language}" href="{HOST}{page.path}"' in head
        assert '"http://localhost' not in head
    for name in ("sitemap.xml", "sitemap-en.xml", "blog/feed.xml"):
        assert HOST in exported.files[name].decode() and 'href="http://localhost' not in exported.files[name].decode()


@pytest.mark.slow
def test_old_addresses_lead_on(exported: Exported) -> None:
    assert exported.redirects["/method/"] == ("/frugality/", 301)
    assert exported.redirects["/fr/method/"] == ("/fr/frugality/", 301)
    assert "/method/ /frugality/ 301\n" in exported.files["_redirects"].decode()
    assert exported.redirects["/favicon.ico"][0].removeprefix("/") in exported.files


@pytest.mark.slow
def test_a_host_of_files_is_told_each_header_once(exported: Exported) -> None:
    rules = [rule.splitlines() for rule in exported.files["_headers"].decode().split("\n\n")]
    by_pattern = {rule[0]: rule[1:] for rule in rules}

    assert any("Content-Security-Policy: base-uri 'none'; " in line for line in by_pattern["/*"])
    assert any("Strict-Transport-Security" in line for line in by_pattern["/*"])
    assert not any("Cache-Control" in line or "X-Request-Id" in line for line in by_pattern["/*"])
    assert by_pattern["/static/*"] == ["  Cache-Control: public, max-age=31536000, immutable"]
    for name in exported.files:
        if (address := address_of(name)) is not None:
            matching = [p for p in by_pattern if p == address or (p.endswith("*") and address.startswith(p[:-1]))]
            assert sum("Cache-Control" in line for p in matching for line in by_pattern[p]) == 1, address


@pytest.mark.slow
def test_every_asset_has_a_name_of_its_own_bytes_and_the_admin_stays_at_home(exported: Exported) -> None:
    assets = [name for name in exported.files if name.startswith("static/")]

    assert all(re.search(r"\.[0-9a-f]{12}\.\w+$", name) for name in assets)
    assert any(name.endswith(".js") for name in assets) and any(name.endswith(".css") for name in assets)
    assert not any("/admin/" in name for name in assets)


def bad(name: str, view: Callable[[HttpRequest], HttpResponse]) -> tuple[URLPattern, ...]:
    return (path(name, view), *siteproject.urls.urlpatterns)


def with_cookie(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("text")
    response.set_cookie("name", "value")
    return response


def naming_the_request(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.request_id)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "view", "problem"),
    [
        ("a.txt", lambda _request: HttpResponse(status=503), "/a.txt: answers 503, not 200."),
        ("a.txt", with_cookie, "/a.txt: sets a cookie (name)."),
        ("a.txt", naming_the_request, "/a.txt: carries the name of one request."),
        (
            "a.html",
            lambda _request: HttpResponse(PAGE.format('<input name="csrfmiddlewaretoken" value="x">')),
            "a.html: holds a form token.",
        ),
        (
            "a.html",
            lambda _request: HttpResponse(PAGE.format('<img src="//other.example/a.png" alt="">')),
            "a.html: loads //other.example/a.png from another host.",
        ),
        (
            "a.html",
            lambda _request: HttpResponse(PAGE.format('<script src="/static/missing.js"></script>')),
            "a.html: loads /static/missing.js, which is not in the export.",
        ),
        (
            "a.html",
            lambda _request: HttpResponse(PAGE.format('<link rel="canonical" href="http://localhost:8000/">')),
            "a.html: calls itself http://localhost:8000/, which is not on https://site.example.",
        ),
        (
            "a.html",
            lambda _request: HttpResponse(PAGE.format('<form action="https://other.example/"></form>')),
            "a.html: sends a form to https://other.example/.",
        ),
        (
            "a.txt",
            lambda _request: HttpResponse(status=302, headers={"Location": "https://other.example/"}),
            "/a.txt: redirects to another host.",
        ),
    ],
)
def test_what_must_not_be_public_keeps_the_site_from_being_exported(
    small_site: None, name: str, view: Callable[[HttpRequest], HttpResponse], problem: str
) -> None:
    with override_settings(ROOT_URLCONF=bad(name, view)), pytest.raises(ExportFailed) as failed:
        export(error_page=error_page)

    assert failed.value.problems == [problem]


def test_a_plain_link_to_another_host_is_no_problem(small_site: None) -> None:
    html = PAGE.format('<a href="https://other.example/">elsewhere</a>')

    with override_settings(ROOT_URLCONF=bad("a.html", lambda _request: HttpResponse(html))):
        assert export(error_page=error_page).files["a.html"].decode() == html


# --- The folder ---------------------------------------------------------------------------------

FILES = {"index.html": b"<p>one</p>" * 50, "blog/index.html": b"<p>two</p>" * 50, "static/a.1.png": b"\x89PNG"}


def test_the_checksums_can_be_checked_with_the_usual_tool(tmp_path: Path) -> None:
    out = tmp_path / "out"

    write(FILES, out)

    assert subprocess.run(["sha256sum", "--check", "--strict", "CHECKSUMS"], cwd=out, check=False).returncode == 0
    there = {name.relative_to(out).as_posix() for name in out.rglob("*") if name.is_file()} - {"CHECKSUMS"}
    assert there == set(read_checksums(out))


def test_what_can_be_compressed_lies_there_compressed_and_the_same_at_every_run(tmp_path: Path) -> None:
    write(FILES, tmp_path / "one")
    write(FILES, tmp_path / "two")

    for name in ("index.html", "blog/index.html"):
        assert gzip.decompress((tmp_path / "one" / f"{name}.gz").read_bytes()) == FILES[name]
        assert brotli.decompress((tmp_path / "one" / f"{name}.br").read_bytes()) == FILES[name]
    assert not (tmp_path / "one/static/a.1.png.gz").exists()
    assert read_checksums(tmp_path / "one") == read_checksums(tmp_path / "two")


def test_a_second_run_touches_nothing_when_nothing_changed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = write(FILES, out)
    before = {place: place.lstat().st_mtime_ns for place in (out, *out.resolve().rglob("*"))}

    second = write(FILES, out)

    assert second.changed == () and second.folder == first.folder
    assert {place: place.lstat().st_mtime_ns for place in (out, *out.resolve().rglob("*"))} == before


def test_a_second_run_writes_only_what_changed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(FILES, out)
    kept, changed = (out / "blog/index.html.br").stat(), (out / "index.html").stat()

    written = write(FILES | {"index.html": b"<p>new</p>" * 50}, out)

    assert written.changed == ("index.html", "index.html.br", "index.html.gz")
    assert (out / "blog/index.html.br").stat().st_ino == kept.st_ino
    assert (out / "blog/index.html.br").stat().st_mtime_ns == kept.st_mtime_ns
    assert (out / "index.html").stat().st_ino != changed.st_ino


def test_the_link_moves_in_one_step_and_the_export_before_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "out.notes").mkdir()
    folders = [write(FILES | {"index.html": f"<p>{n}</p>".encode()}, out).folder for n in range(4)]

    assert out.is_symlink() and out.resolve() == folders[3]
    assert [folder.exists() for folder in folders] == [False, False, True, True]
    assert (tmp_path / "out.notes").exists()


def test_a_file_that_somebody_damaged_is_made_good(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(FILES, out)
    (out / "index.html").write_bytes(b"damaged")

    write(FILES, out)

    assert (out / "index.html").read_bytes() == FILES["index.html"]


def test_a_folder_that_is_no_export_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "diary.txt").write_text("mine")

    with pytest.raises(ExportFailed, match="not an earlier export"):
        write(FILES, out)

    assert (out / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["elsewhere", "out.0123456789abcdef"])
def test_a_link_to_a_folder_that_is_no_export_is_left_alone(tmp_path: Path, name: str) -> None:
    out, theirs = tmp_path / "out", tmp_path / name
    theirs.mkdir()
    (theirs / "diary.txt").write_text("mine")
    out.symlink_to(theirs.name)

    with pytest.raises(ExportFailed, match="not an earlier export"):
        write(FILES, out)

    assert out.resolve() == theirs and (theirs / "diary.txt").read_text() == "mine"


def test_a_link_whose_export_was_deleted_is_used_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.rmtree(write(FILES, out).folder)

    write(FILES, out)

    assert (out / "index.html").read_bytes() == FILES["index.html"]


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    (tmp_path / "out.lock").symlink_to("diary.txt")

    with pytest.raises(ExportFailed, match=r"out\.lock cannot be written"):
        write(FILES, tmp_path / "out")

    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_a_second_export_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "out.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ExportFailed, match="Another export"):
            write(FILES, tmp_path / "out")

    write(FILES, tmp_path / "out")


# A limit on the size of files fails in the same place as a full disk, and needs no disk.
FULL = """
import resource, sys
from pathlib import Path
from content.export import ExportFailed
from content.export_folder import write
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write({"a.png": b"a" * 100, "b.png": b"b" * 20_000}, Path(sys.argv[1]))
except ExportFailed as failed:
    print(failed)
"""


def test_a_full_disk_is_a_sentence_and_leaves_the_old_site_and_no_half_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = write(FILES, out)

    done = subprocess.run(
        [sys.executable, "-c", FULL, str(out)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.stdout, done.stderr) == (f"{out} cannot be written: File too large.\n", "")
    assert out.resolve() == first.folder and not list(tmp_path.glob("out.*.part"))


KILLED = """
import sys
from pathlib import Path
from content.export_folder import write
write({f"p{n}/index.html": b"new %d" % n * 2000 for n in range(4000)}, Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_kill_in_the_middle_leaves_the_old_site_whole_and_the_next_run_mends_the_rest(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = write(FILES, out)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(out)], cwd=ROOT)
    while not any(len(list(part.iterdir())) > 20 for part in tmp_path.glob("out.*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert list(tmp_path.glob("out.*.part"))
    assert out.resolve() == first.folder
    assert subprocess.run(["sha256sum", "--check", "--quiet", "CHECKSUMS"], cwd=out, check=False).returncode == 0
    write(FILES | {"index.html": b"<p>after</p>"}, out)
    assert (out / "index.html").read_bytes() == b"<p>after</p>"
    assert not list(tmp_path.glob("out.*.part"))


# --- The command --------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_out_that_links_to_itself_is_a_sentence(small_site: None, db: None, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("out")

    with pytest.raises(CommandError, match="out is not an earlier export"):
        call_command("export_site", str(tmp_path / "out"), "--as-collected")


@pytest.mark.slow
def test_two_exports_in_two_processes_are_the_same_bytes(collected: Path, tmp_path: Path) -> None:
    env = os.environ | {"VAR_DIR": str(collected.parent), "SITE_URL": HOST}
    said = []
    for seed in ("1", "2"):
        command = [sys.executable, "manage.py", "export_site", str(tmp_path / "out"), "--as-collected"]
        done = subprocess.run(
            command, cwd=ROOT, env=env | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr[-2000:]
        said.append(done.stdout)

    assert re.search(r"\b0 of them new or changed", said[1]), said
    manifest = json.loads((collected / "staticfiles.json").read_text())["paths"]
    assert (tmp_path / "out/static" / manifest["css/base.css"]).is_file()
