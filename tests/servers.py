"""A pytest plugin that gives the run its own PostgreSQL and Redis, unless the environment names some.

Loaded with ``-p tests.servers`` so that it stands before Django reads its settings.
"""

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from siteproject.stack.folder import Folder
from siteproject.stack.postgres import Postgres
from siteproject.stack.redis_server import Redis

SECRETS = (
    "SECRET_KEY",
    "SEAL_KEY",
    "PRIVACY_PEPPER",
    "API_KEY_PEPPER",
    "LLM_CPU_KEY",
    "LLM_GPU_KEY",
    "LLM_GPU_WAKE_TOKEN",
)


def _start() -> Path:
    """Start both in a temporary folder and tell the environment where they are. Stopped at exit."""
    path = Path(tempfile.mkdtemp(prefix="wagmi-test-"))
    path.chmod(0o711)
    os.environ["VAR_DIR"] = str(path)
    folder = Folder(path)
    folder.make()
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    for name in SECRETS:
        os.environ.setdefault(name, secrets.token_urlsafe(40))
    os.environ.setdefault("SITE_URL", "http://localhost:8000")
    if "PYTEST_XDIST_WORKER" in os.environ and os.environ.pop("TEST_SERVERS", None):
        # One of several that run at a time: what the process above started is not ours to share.
        del os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
    if "DATABASE_URL" not in os.environ and "REDIS_URL" not in os.environ:
        os.environ["TEST_SERVERS"] = "1"
    if "DATABASE_URL" not in os.environ:
        postgres = Postgres(folder, durable=False)
        postgres.start()
        atexit.register(postgres.stop)
        postgres.wait_until_ready()
        os.environ["DATABASE_URL"] = postgres.url
    if "REDIS_URL" not in os.environ:
        redis = Redis(folder)
        redis.start()
        atexit.register(redis.stop)
        redis.wait_until_ready()
        os.environ["REDIS_URL"] = redis.url
    return path


folder = _start()
