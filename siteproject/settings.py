"""Settings, read from the environment once. The same file serves every machine.

Every variable is declared in ``env`` below with its type and default, and explained in
``.env.example``; a test compares the two. Nothing else reads ``os.environ``.
"""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF

from siteproject import languages
from siteproject.stack import environment
from siteproject.stack.folder import var_folder

BASE_DIR = Path(__file__).resolve().parent.parent
environment.load()

env = environ.Env(
    DEBUG=(bool, False),
    SITE_NAME=(str, "Wagmi"),
    SITE_URL=(str, "http://localhost:8000"),
    CHAT_URL=(str, ""),
    API_URL=(str, ""),
    ALLOWED_ORIGINS=(list, []),
    TRUSTED_PROXY_COUNT=(int, 0),
    PORT=(int, 8000),
    BIND=(str, "127.0.0.1"),
    CONTACT_EMAIL=(str, ""),
    EMAIL_URL=(str, ""),
    MAIL_FROM=(str, ""),
    IMPRINT_NAME=(str, ""),
    IMPRINT_ADDRESS=(str, ""),
    IMPRINT_RESPONSIBLE=(str, ""),
    IMPRINT_HOST=(str, ""),
    PRIVACY_AUTHORITY=(str, ""),
    GOVERNING_LAW=(str, ""),
    PROCESSORS_FILE=(str, ""),
    MODEL_FACTS_FILE=(str, ""),
    CONTENT_DIR=(str, ""),
    SITE_EXPORT_DIR=(str, ""),
    SECRET_KEY=(str, ""),
    SEAL_KEY=(str, ""),
    PRIVACY_PEPPER=(str, ""),
    DATABASE_URL=(str, ""),
    REDIS_URL=(str, ""),
    LLM_CPU_URL=(str, ""),
    LLM_CPU_RUNTIME=(str, "llamacpp"),
    LLM_CPU_MODEL=(str, "wagmi-small"),
    LLM_CPU_KEY=(str, ""),
    LLM_CPU_NAME=(str, "SmolLM2-135M-Instruct (Q4_1)"),
    LLM_CPU_LANGUAGES=(list, ["en"]),
    LLM_CPU_CAPABILITIES=(list, []),
    LLM_CPU_CONTEXT=(int, 1024),
    LLM_CPU_MAX_TOKENS=(int, 200),
    LLM_CPU_SLOTS=(int, 4),
    LLM_CPU_QUEUE=(int, 32),
    LLM_CPU_CACHE_MIB=(int, 200),
    LLM_CPU_WEIGHTS_SHA256=(str, ""),
    LLM_CPU_PID_FILE=(str, ""),
    LLM_SLOW_URL=(str, ""),
    LLM_SLOW_RUNTIME=(str, "ollama"),
    LLM_SLOW_MODEL=(str, ""),
    LLM_SLOW_KEY=(str, ""),
    LLM_SLOW_NAME=(str, ""),
    LLM_SLOW_TIER=(str, "small"),
    LLM_SLOW_HARDWARE=(str, "cpu"),
    LLM_SLOW_LANGUAGES=(list, ["en"]),
    LLM_SLOW_CAPABILITIES=(list, []),
    LLM_SLOW_CONTEXT=(int, 2048),
    LLM_SLOW_MAX_TOKENS=(int, 200),
    LLM_SLOW_SLOTS=(int, 1),
    LLM_SLOW_QUEUE=(int, 4),
    LLM_SLOW_WEIGHTS_SHA256=(str, ""),
    LLM_GPU_URL=(str, ""),
    LLM_GPU_RUNTIME=(str, "llamacpp"),
    LLM_GPU_MODEL=(str, "wagmi-large"),
    LLM_MODEL_AUTH_FALLBACKS=(list, []),
    LLM_GPU_KEY=(str, ""),
    LLM_GPU_NAME=(str, "SmolLM2-135M-Instruct (Q4_1)"),
    LLM_GPU_LANGUAGES=(list, ["en"]),
    LLM_GPU_CAPABILITIES=(list, []),
    LLM_GPU_CONTEXT=(int, 2048),
    LLM_GPU_MAX_TOKENS=(int, 200),
    LLM_GPU_SLOTS=(int, 2),
    LLM_GPU_QUEUE=(int, 16),
    LLM_GPU_WEIGHTS=(str, ""),
    LLM_GPU_WEIGHTS_SHA256=(str, ""),
    LLM_GPU_WATERMARK_KEY=(str, ""),
    LLM_GPU_HARDWARE=(str, "cpu"),
    LLM_GPU_STAND_IN=(bool, False),
    LLM_GPU_PID_FILE=(str, ""),
    LLM_GPU_DRIVER=(str, "on_demand"),
    LLM_GPU_WAKE_URL=(str, ""),
    LLM_GPU_WAKE_METHOD=(str, "POST"),
    LLM_GPU_WAKE_TOKEN=(str, ""),
    LLM_GPU_SLEEP_URL=(str, ""),
    LLM_GPU_STATE_URL=(str, ""),
    LLM_GPU_PROVIDER_LIMIT_S=(float, 0.0),
    LLM_GPU_LIFETIME_S=(float, 43200.0),
    LLM_GPU_IDLE_S=(float, 120.0),
    LLM_GPU_WAKE_TIMEOUT_S=(float, 300.0),
    LLM_GPU_ANSWER_MAX_S=(float, 120.0),
    LLM_GPU_SWITCH_S=(float, 60.0),
    LLM_GPU_HEARTBEAT_S=(float, 10.0),
    LLM_GPU_TEND_S=(float, 2.0),
    LLM_GPU_COOL_DOWN_S=(float, 60.0),
    LLM_GPU_GRANULE_S=(float, 1.0),
    LLM_GPU_USD_PER_HOUR=(float, 1.1),
    LLM_GPU_DAY_S=(int, 7200),
    LLM_GPU_MONTH_S=(int, 129600),
    LLM_GPU_MONTH_USD=(float, 40.0),
    LLM_GPU_PAYING_SHARE=(float, 0.4),
    LLM_GPU_PERSON_DAY_S=(int, 1800),
    EMBEDDINGS=(str, ""),
    LLM_EMBED_URL=(str, ""),
    LLM_EMBED_RUNTIME=(str, "llamacpp"),
    LLM_EMBED_MODEL=(str, "wagmi-embed"),
    LLM_EMBED_KEY=(str, ""),
    LLM_EMBED_NAME=(str, "all-MiniLM-L6-v2 (F16)"),
    LLM_EMBED_LANGUAGES=(list, ["en"]),
    LLM_EMBED_CONTEXT=(int, 256),
    LLM_EMBED_DIMENSIONS=(int, 384),
    LLM_EMBED_SLOTS=(int, 1),
    LLM_EMBED_QUEUE=(int, 32),
    LLM_EMBED_WEIGHTS_SHA256=(str, ""),
    LLM_EMBED_PID_FILE=(str, ""),
    LLM_FIRST_TOKEN_S=(float, 20.0),
    LLM_IDLE_S=(float, 15.0),
    LLM_TOTAL_S=(float, 120.0),
    MACHINE_USD_PER_MONTH=(float, 50.0),
    API_KEY_PEPPER=(str, ""),
    API_KEY_PEPPER_ID=(str, "1"),
    API_KEY_PEPPERS_OLD=(list, []),
    API_KEY_CACHE_S=(float, 2.0),
    API_ORPHAN_S=(float, 900.0),
    USAGE_KEPT_DAYS=(int, 400),
    BILLING_SWEEP_S=(float, 30.0),
    BILLING_METER_S=(float, 60.0),
    STRIPE_SECRET_KEY=(str, ""),
    STRIPE_WEBHOOK_SECRETS=(list, []),
    STRIPE_API_URL=(str, ""),
    STRIPE_TAX=(bool, True),
    CHAT_RATE_LIMIT=(str, "20/15m"),
    CHAT_RATE_LIMIT_SIGNED_IN=(str, "60/15m"),
    CHAT_SOCKETS_PER_ADDRESS=(int, 20),
    CHAT_SOCKET_FIRST_S=(float, 10.0),
    CHAT_SOCKET_IDLE_S=(float, 120.0),
    CHAT_MAX_TOKENS_SMALL=(int, 300),
    CHAT_MAX_TOKENS_LARGE=(int, 1024),
    CHAT_RESUME_GRACE_S=(float, 15.0),
    CHAT_RESUME_KEPT_S=(float, 60.0),
    CHAT_KEEP_ALIVE_S=(float, 5.0),
    CHAT_DRAIN_S=(float, 3.0),
    CHAT_AUTH_CPU_FIRST=(bool, True),
    SEAL_MAX_AGE_DAYS=(int, 7),
    RETENTION_DAYS=(int, 7),
    RETENTION_SWEEP_S=(float, 300.0),
    FLAG_RETENTION_DAYS=(int, 7),
    FLAG_DECIDED_KEPT_HOURS=(int, 24),
    FLAG_RATE_LIMIT=(str, "10/1h"),
    FLAG_LOCK_S=(int, 300),
    CORRECTIONS_NEED_TWO=(bool, False),
    CORRECTIONS_RENEW_S=(float, 20.0),
    CONTACT_RETENTION_DAYS=(int, 90),
    CONTACT_RATE_LIMIT=(str, "5/1h"),
    TEAM_EMAIL=(str, ""),
    STORED_MESSAGES_MAX=(int, 2_000),
    REQUEST_READ_S=(float, 20.0),
    JOB_LEASE_S=(float, 120.0),
    JOB_SWEEP_S=(float, 30.0),
    MAIL_PAUSE_S=(float, 30.0),
    MAIL_RETRY_S=(float, 86_400.0),
    EXPORT_KEPT_S=(float, 86_400.0),
    SWITCH_CHECK_S=(float, 5.0),
    PROBE_S=(float, 30.0),
)

DEBUG: bool = env("DEBUG")

# --- The site and its addresses -------------------------------------------------------------

SITE_NAME: str = env("SITE_NAME")
SITE_URL: str = env("SITE_URL").rstrip("/")
CHAT_URL: str = (env("CHAT_URL") or SITE_URL).rstrip("/")
API_URL: str = (env("API_URL") or SITE_URL).rstrip("/")
ALLOWED_ORIGINS: list[str] = sorted({SITE_URL, CHAT_URL, *(origin.rstrip("/") for origin in env("ALLOWED_ORIGINS"))})
TRUSTED_PROXY_COUNT: int = env("TRUSTED_PROXY_COUNT")
PORT: int = env("PORT")
BIND: str = env("BIND")
CONTACT_EMAIL: str = env("CONTACT_EMAIL")
IMPRINT_NAME: str = env("IMPRINT_NAME")
IMPRINT_ADDRESS: str = env("IMPRINT_ADDRESS")
IMPRINT_RESPONSIBLE: str = env("IMPRINT_RESPONSIBLE")
IMPRINT_HOST: str = env("IMPRINT_HOST")
PRIVACY_AUTHORITY: str = env("PRIVACY_AUTHORITY")
GOVERNING_LAW: str = env("GOVERNING_LAW")
# Who else handles data for this site; siteproject/public reads it.
PROCESSORS_FILE: str = env("PROCESSORS_FILE")
# What an operator knows of weights of their own; factory/model_facts.py reads it.
MODEL_FACTS_FILE: str = env("MODEL_FACTS_FILE")

HTTPS = SITE_URL.startswith("https://")
ALLOWED_HOSTS = sorted({urlsplit(url).hostname or "" for url in (SITE_URL, CHAT_URL, API_URL)})
if "localhost" in ALLOWED_HOSTS:
    ALLOWED_HOSTS.append("127.0.0.1")
    ALLOWED_ORIGINS.append(SITE_URL.replace("//localhost", "//127.0.0.1"))
# Forms carry Django's token and come from our own pages; partners in ALLOWED_ORIGINS may only ask questions.
CSRF_TRUSTED_ORIGINS = sorted({SITE_URL, CHAT_URL})

# --- Secrets --------------------------------------------------------------------------------

# Without a stack and without an environment (a lone `manage.py check`), DEBUG alone may stand in.
SECRET_KEY: str = env("SECRET_KEY") or ("debug-only" if DEBUG else "")
SEAL_KEY: str = env("SEAL_KEY") or SECRET_KEY
PRIVACY_PEPPER: str = env("PRIVACY_PEPPER") or SECRET_KEY
# API keys are kept as HMACs under the first; the others are older ones, under which keys are still found and renewed.
API_KEY_PEPPERS: dict[str, bytes] = {env("API_KEY_PEPPER_ID"): (env("API_KEY_PEPPER") or SECRET_KEY).encode()}
API_KEY_PEPPER_IDS: list[str] = [*API_KEY_PEPPERS]  # as they were given, a repeated one twice: a check looks
for _id, _, _pepper in (each.partition(":") for each in env("API_KEY_PEPPERS_OLD")):
    API_KEY_PEPPERS.setdefault(_id.strip(), _pepper.encode())
    API_KEY_PEPPER_IDS.append(_id.strip())

# --- Applications ---------------------------------------------------------------------------

INSTALLED_APPS = [
    "siteproject",
    "accounts.apps.WorkbenchConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "compliance",
    "accounts",
    "content",
    "billing",
    "inference",
    "chat",
    "factory",
]

if DEBUG and find_spec("daphne"):
    # `manage.py runserver` speaks websockets through daphne, for developers; uvicorn serves everywhere else.
    INSTALLED_APPS.insert(0, "daphne")

MIDDLEWARE = [
    "siteproject.middleware.LeanFilesMiddleware",
    "siteproject.middleware.RequestIdMiddleware",
    "siteproject.cors.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "siteproject.middleware.HeadersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.AccountPagesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "siteproject.middleware.StoresMiddleware",
]

ROOT_URLCONF = "siteproject.urls"
ASGI_APPLICATION = "siteproject.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS: list[str] = []

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "siteproject.context.site",
            ],
        },
    },
]

# --- PostgreSQL and Redis -------------------------------------------------------------------

DATABASES = {
    "default": {
        **env.db("DATABASE_URL", default="postgres://wagmi@/wagmi?host=/nonexistent"),
        # The pool replaces CONN_MAX_AGE; waiting for a connection ends in a 503, not in a hung worker.
        "CONN_MAX_AGE": 0,
        # A connection is tried when it leaves the pool: after a restart of PostgreSQL all of them are dead.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **env.db("DATABASE_URL", default="postgres://wagmi@/wagmi?host=/nonexistent").get("OPTIONS", {}),
            "pool": {"min_size": 1, "max_size": 8, "timeout": 2},
            "connect_timeout": 2,
            "options": "-c lock_timeout=5s -c statement_timeout=30s",
        },
    }
}

REDIS_URL: str = env("REDIS_URL") or "redis://127.0.0.1:6379/0"
REDIS_TIMEOUT_S = 1.0
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": REDIS_TIMEOUT_S, "socket_connect_timeout": REDIS_TIMEOUT_S},
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "wagmi"},
    }
}

# --- Sign-in and sessions -------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
SESSION_COOKIE_AGE = 14 * 24 * 3600
# Words to a person about what they just did travel in their session, not in a cookie of their own.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
LOGIN_URL = "accounts:enter"
LOGIN_REDIRECT_URL = "accounts:factors"
# The name of the cookie that tells a browser in which somebody has signed in before.
BROWSER_COOKIE_NAME = "__Host-browser" if HTTPS else "browser"
CODE_AGE_S = 600
PROOF_AGE_S = 30 * 60
# Nobody has a password: these sign people in after a code, a passkey or a link, and look sessions up.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# An address is proven by its code before the account is made; the limits in front are our own (accounts/attempts.py).
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = MFA_RATE_LIMITS = False
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
MFA_ADAPTER = "accounts.adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1
# A passkey signs in alone, so the device asks for its PIN, a finger or a face each time.
MFA_WEBAUTHN_USER_VERIFICATION = "required"
# Without https browsers give passkeys to this machine's own names only.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS

# --- Mail -----------------------------------------------------------------------------------

# Without a mail server, mail is written to files, and bin/up shows it in the terminal.
vars().update(env.email("EMAIL_URL") if env("EMAIL_URL") else {})
if not env("EMAIL_URL"):
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = str(var_folder().path / "mail")
MAIL_TIMEOUT_S = EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env("MAIL_FROM") or f"{SITE_NAME} <noreply@{urlsplit(SITE_URL).hostname}>"
CSRF_FAILURE_VIEW = "siteproject.errors.csrf_failure"

# --- Work for people: mail, exports, erasure ---------------------------------------------------

JOB_LEASE_S: float = env("JOB_LEASE_S")
JOB_SWEEP_S: float = env("JOB_SWEEP_S")
MAIL_PAUSE_S: float = env("MAIL_PAUSE_S")
MAIL_RETRY_S: float = env("MAIL_RETRY_S")
MAIL_FILES_KEPT_DAYS = 7
EXPORT_KEPT_S: float = env("EXPORT_KEPT_S")
EXPORT_DIR = var_folder().path / "exports"

# --- Languages ------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "locale"]
# What the site promises to have in full; a further language may have gaps while it is being translated.
COMPLETE_LANGUAGES = ("en", "fr")
# A further language is a folder of locale/: `manage.py start_language` makes it, docs/languages.md explains it.
SITE_LANGUAGES = languages.read_languages(LOCALE_PATHS[0], first=LANGUAGE_CODE, complete=COMPLETE_LANGUAGES)
LANGUAGES = [(language.code, language.name) for language in SITE_LANGUAGES.values()]
LANGUAGES_BIDI = languages.introduce(SITE_LANGUAGES)
FORMAT_MODULE_PATH = ["siteproject.formats"]
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True

# --- Content --------------------------------------------------------------------------------

CONTENT_DIR = Path(env("CONTENT_DIR") or BASE_DIR / "content").resolve()
CONTENT_RECHECK_S = 2.0
CACHE_DIR = var_folder().path / "cache"
FACTORY_DIR = var_folder().path / "factory"  # what evaluations, red-team runs and training sets leave behind
# The folder that `manage.py export_site` wrote, for the application to serve its public pages from.
SITE_EXPORT_DIR: str = env("SITE_EXPORT_DIR")

# --- Static files ---------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "content.pictures.PictureFinder",
    "content.cards.CardFinder",
]
STATIC_ROOT = var_folder().path / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "siteproject.storage.ModuleManifestStorage"
    },
}
SERVESTATIC_USE_FINDERS = SERVESTATIC_AUTOREFRESH = DEBUG

# --- Celery ---------------------------------------------------------------------------------

CELERY_BROKER_URL = (
    f"redis+socket://{REDIS_URL.removeprefix('unix://')}" if REDIS_URL.startswith("unix:") else REDIS_URL
)
if CELERY_BROKER_URL.startswith("redis+socket:"):
    CELERY_BROKER_URL = CELERY_BROKER_URL.replace("?db=", "?virtual_host=")
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# No acknowledgements: a task is a nudge, its row is the job, and a sweeper nudges again. With them, a task at hand when
# Redis goes away ends the worker, because kombu cannot hand it back.
CELERY_BROKER_TRANSPORT_OPTIONS = {"ack_emulation": False, "socket_timeout": 5, "socket_connect_timeout": 5}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# --- Models ---------------------------------------------------------------------------------

LLM_CPU = {
    "url": env("LLM_CPU_URL"),
    "runtime": env("LLM_CPU_RUNTIME"),
    "model": env("LLM_CPU_MODEL"),
    "key": env("LLM_CPU_KEY"),
    "name": env("LLM_CPU_NAME"),
    "languages": env("LLM_CPU_LANGUAGES"),
    "capabilities": env("LLM_CPU_CAPABILITIES"),
    "context_tokens": env("LLM_CPU_CONTEXT"),
    "max_output_tokens": env("LLM_CPU_MAX_TOKENS"),
    "weights_sha256": env("LLM_CPU_WEIGHTS_SHA256"),
}
LLM_CPU_SLOTS: int = env("LLM_CPU_SLOTS")
LLM_CPU_QUEUE: int = env("LLM_CPU_QUEUE")
LLM_CPU_CACHE_MIB: int = env("LLM_CPU_CACHE_MIB")
LLM_CPU_PID_FILE: str = env("LLM_CPU_PID_FILE")
# A backend of either tier that is asked when the others of its tier cannot answer. Its address is empty where there is
# none.
LLM_SLOW = {
    "url": env("LLM_SLOW_URL"),
    "runtime": env("LLM_SLOW_RUNTIME"),
    "model": env("LLM_SLOW_MODEL"),
    "key": env("LLM_SLOW_KEY"),
    "name": env("LLM_SLOW_NAME") or env("LLM_SLOW_MODEL"),
    "tier": env("LLM_SLOW_TIER"),
    "hardware": env("LLM_SLOW_HARDWARE"),
    "languages": env("LLM_SLOW_LANGUAGES"),
    "capabilities": env("LLM_SLOW_CAPABILITIES"),
    "context_tokens": env("LLM_SLOW_CONTEXT"),
    "max_output_tokens": env("LLM_SLOW_MAX_TOKENS"),
    "slots": env("LLM_SLOW_SLOTS"),
    "queue": env("LLM_SLOW_QUEUE"),
    "weights_sha256": env("LLM_SLOW_WEIGHTS_SHA256"),
}
# The large tier: a server that sleeps. Its address is empty where there is none.
LLM_GPU = {
    "url": env("LLM_GPU_URL"),
    "runtime": env("LLM_GPU_RUNTIME"),
    "model": env("LLM_GPU_MODEL"),
    "fallbacks": env("LLM_MODEL_AUTH_FALLBACKS"),
    "key": env("LLM_GPU_KEY"),
    "name": env("LLM_GPU_NAME"),
    "languages": env("LLM_GPU_LANGUAGES"),
    "capabilities": env("LLM_GPU_CAPABILITIES"),
    "context_tokens": env("LLM_GPU_CONTEXT"),
    "max_output_tokens": env("LLM_GPU_MAX_TOKENS"),
    "slots": env("LLM_GPU_SLOTS"),
    "queue": env("LLM_GPU_QUEUE"),
    "weights_sha256": env("LLM_GPU_WEIGHTS_SHA256"),
    "watermark_key": env("LLM_GPU_WATERMARK_KEY"),
    "hardware": env("LLM_GPU_HARDWARE"),
    "stand_in": env("LLM_GPU_STAND_IN"),
    "pid_file": env("LLM_GPU_PID_FILE"),
}
# How it is woken and put to sleep (inference/drivers).
LLM_GPU_DRIVER: str = env("LLM_GPU_DRIVER")
LLM_GPU_WAKE_URL: str = env("LLM_GPU_WAKE_URL")
LLM_GPU_WAKE_METHOD: str = env("LLM_GPU_WAKE_METHOD")
LLM_GPU_WAKE_TOKEN: str = env("LLM_GPU_WAKE_TOKEN")
LLM_GPU_SLEEP_URL: str = env("LLM_GPU_SLEEP_URL")
LLM_GPU_STATE_URL: str = env("LLM_GPU_STATE_URL")
LLM_GPU_PROVIDER_LIMIT_S: float = env("LLM_GPU_PROVIDER_LIMIT_S")
LLM_GPU_LIFETIME_S: float = env("LLM_GPU_LIFETIME_S")
LLM_GPU_IDLE_S: float = env("LLM_GPU_IDLE_S")
LLM_GPU_WAKE_TIMEOUT_S: float = env("LLM_GPU_WAKE_TIMEOUT_S")
LLM_GPU_ANSWER_MAX_S: float = env("LLM_GPU_ANSWER_MAX_S")
LLM_GPU_SWITCH_S: float = env("LLM_GPU_SWITCH_S")
LLM_GPU_HEARTBEAT_S: float = env("LLM_GPU_HEARTBEAT_S")
LLM_GPU_TEND_S: float = env("LLM_GPU_TEND_S")
LLM_GPU_COOL_DOWN_S: float = env("LLM_GPU_COOL_DOWN_S")
LLM_GPU_GRANULE_S: float = env("LLM_GPU_GRANULE_S")
LLM_GPU_USD_PER_HOUR: float = env("LLM_GPU_USD_PER_HOUR")
# What it may take in a UTC day and month, until staff set it in the admin (inference/gpu_limits.py).
LLM_GPU_DAY_S: int = env("LLM_GPU_DAY_S")
LLM_GPU_MONTH_S: int = env("LLM_GPU_MONTH_S")
LLM_GPU_MONTH_USD: float = env("LLM_GPU_MONTH_USD")
LLM_GPU_PAYING_SHARE: float = env("LLM_GPU_PAYING_SHARE")
LLM_GPU_PERSON_DAY_S: int = env("LLM_GPU_PERSON_DAY_S")
# The model that makes embeddings for the API. Its address is empty where there is none.
LLM_EMBED = {
    "url": env("LLM_EMBED_URL"),
    "runtime": env("LLM_EMBED_RUNTIME"),
    "model": env("LLM_EMBED_MODEL"),
    "key": env("LLM_EMBED_KEY"),
    "name": env("LLM_EMBED_NAME"),
    "languages": env("LLM_EMBED_LANGUAGES"),
    "context_tokens": env("LLM_EMBED_CONTEXT"),
    "dimensions": env("LLM_EMBED_DIMENSIONS"),
    "slots": env("LLM_EMBED_SLOTS"),
    "queue": env("LLM_EMBED_QUEUE"),
    "weights_sha256": env("LLM_EMBED_WEIGHTS_SHA256"),
    "pid_file": env("LLM_EMBED_PID_FILE"),
}
LLM_FIRST_TOKEN_S: float = env("LLM_FIRST_TOKEN_S")
LLM_IDLE_S: float = env("LLM_IDLE_S")
LLM_TOTAL_S: float = env("LLM_TOTAL_S")
SWITCH_CHECK_S: float = env("SWITCH_CHECK_S")
PROBE_S: float = env("PROBE_S")
MACHINE_USD_PER_MONTH: float = env("MACHINE_USD_PER_MONTH")

# --- The API and its bills --------------------------------------------------------------------

# How long a process believes what it has read of a key: the most a revoked one lives on.
API_KEY_CACHE_S: float = env("API_KEY_CACHE_S")
# A reservation older than any call can get belongs to a process that died.
API_ORPHAN_S: float = env("API_ORPHAN_S")
BILLING_SWEEP_S: float = env("BILLING_SWEEP_S")
# Longer than a year and a month, so that two years can be compared; the sums stay.
USAGE_KEPT_DAYS: int = env("USAGE_KEPT_DAYS")
# Without a key, payments are off and nothing else changes.
STRIPE_SECRET_KEY: str = env("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRETS: list[str] = [each.strip() for each in env("STRIPE_WEBHOOK_SECRETS") if each.strip()]
STRIPE_API_URL: str = env("STRIPE_API_URL").rstrip("/")
STRIPE_TAX: bool = env("STRIPE_TAX")
# How often sums of usage are made and told to Stripe; an hour is summed once, whenever it is looked at.
BILLING_METER_S: float = env("BILLING_METER_S")
# Where a form that begins a payment leads to: browsers follow a redirect of a form only to addresses they know of.
STRIPE_PAGES = ["https://checkout.stripe.com", "https://billing.stripe.com"] if STRIPE_SECRET_KEY else []
if STRIPE_SECRET_KEY and STRIPE_API_URL:
    STRIPE_PAGES = [STRIPE_API_URL]

# --- Chat -----------------------------------------------------------------------------------

CHAT_RATE_LIMIT: str = env("CHAT_RATE_LIMIT")
CHAT_RATE_LIMIT_SIGNED_IN: str = env("CHAT_RATE_LIMIT_SIGNED_IN")
CHAT_SOCKETS_PER_ADDRESS: int = env("CHAT_SOCKETS_PER_ADDRESS")
CHAT_SOCKET_FIRST_S: float = env("CHAT_SOCKET_FIRST_S")
CHAT_SOCKET_IDLE_S: float = env("CHAT_SOCKET_IDLE_S")
CHAT_MAX_TOKENS = {"small": env("CHAT_MAX_TOKENS_SMALL"), "large": env("CHAT_MAX_TOKENS_LARGE")}
CHAT_RESUME_GRACE_S: float = env("CHAT_RESUME_GRACE_S")
CHAT_RESUME_KEPT_S: float = env("CHAT_RESUME_KEPT_S")
CHAT_KEEP_ALIVE_S: float = env("CHAT_KEEP_ALIVE_S")
CHAT_DRAIN_S: float = env("CHAT_DRAIN_S")
CHAT_AUTH_CPU_FIRST: bool = env("CHAT_AUTH_CPU_FIRST")
SEAL_MAX_AGE_DAYS: int = env("SEAL_MAX_AGE_DAYS")
RETENTION_DAYS: int = env("RETENTION_DAYS")
RETENTION_SWEEP_S: float = env("RETENTION_SWEEP_S")
# A flag's texts go this long after the decision, or after so many days, whichever comes first.
FLAG_RETENTION_DAYS: int = env("FLAG_RETENTION_DAYS")
FLAG_DECIDED_KEPT_HOURS: int = env("FLAG_DECIDED_KEPT_HOURS")
FLAG_RATE_LIMIT: str = env("FLAG_RATE_LIMIT")
FLAG_LOCK_S: int = env("FLAG_LOCK_S")
CORRECTIONS_NEED_TWO: bool = env("CORRECTIONS_NEED_TWO")
CORRECTIONS_RENEW_S: float = env("CORRECTIONS_RENEW_S")
CONTACT_RETENTION_DAYS: int = env("CONTACT_RETENTION_DAYS")
CONTACT_RATE_LIMIT: str = env("CONTACT_RATE_LIMIT")
TEAM_EMAIL: str = env("TEAM_EMAIL") or CONTACT_EMAIL
STORED_MESSAGES_MAX: int = env("STORED_MESSAGES_MAX")

# --- Security headers -----------------------------------------------------------------------

SOCKET_URL = CHAT_URL.replace("http", "ws", 1)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "manifest-src": [SELF],
        "connect-src": [SELF, *([CHAT_URL, SOCKET_URL] if CHAT_URL != SITE_URL else [])],
        "form-action": [SELF, *([CHAT_URL, SITE_URL] if CHAT_URL != SITE_URL else []), *STRIPE_PAGES],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "strict-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
X_FRAME_OPTIONS = "DENY"
# The largest request that any route takes; siteproject.body counts it before Django spools a byte.
MAX_BODY_BYTES = 320 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
REQUEST_READ_S: float = env("REQUEST_READ_S")

# --- Logs: ids, counts and durations, never text ---------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_text": {"()": "siteproject.logs.WithoutText"}},
    "formatters": {"line": {"()": "siteproject.logs.LineFormatter"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_text"]},
    },
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # A line for each odd Host header would let anyone fill the disk with words of their own.
        "django.security": {"handlers": [], "level": "CRITICAL", "propagate": False},
        # It names every credential that comes in.
        "fido2": {"handlers": [], "level": "WARNING", "propagate": True},
        "uvicorn": {"handlers": [], "level": "WARNING", "propagate": True},
        # A line for each call, and what was asked in it.
        "stripe": {"handlers": [], "level": "WARNING", "propagate": True},
        "httpx": {"handlers": [], "level": "WARNING", "propagate": True},
        "celery": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
