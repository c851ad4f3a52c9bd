"""Settings, all from the environment; `./t2j` fills in what is not given."""

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from t2j_site.launch.given import BadFile, given
from t2j_site.logs import logging_for

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def _given(name: str) -> str:
    """A setting that may hold a secret: from the file that NAME_FILE names, or from NAME."""
    try:
        return given(name)
    except BadFile as error:
        raise ImproperlyConfigured(str(error)) from error


T2J_DATA = Path(env.str("T2J_DATA", default=str(BASE_DIR / ".t2j"))).resolve()
T2J_REFERENCE_CACHE = T2J_DATA / "cache" / "references"
# A task that takes longer is killed: eight jobs of the longest time that a contract may give one.
T2J_TASK_SECONDS = env.int("T2J_TASK_SECONDS", default=8 * 3600)
T2J_DEFAULT_RUNTIME = env.str("T2J_DEFAULT_RUNTIME", default="jax")
# Largest file an importer takes, in bytes; it is read record by record.
T2J_IMPORT_BYTES = env.int("T2J_IMPORT_BYTES", default=2 * 1024**3)
# Largest body of a request, files included, in bytes.
T2J_UPLOAD_BYTES = env.int("T2J_UPLOAD_BYTES", default=256 * 1024 * 1024)
# Who reads /metrics from elsewhere sends this token; without one only this machine may.
T2J_METRICS_TOKEN = _given("T2J_METRICS_TOKEN")
# How long a language model's provider, or the database, may be away before a batch of calls stops.
T2J_LLM_PATIENCE = env.float("T2J_LLM_PATIENCE", default=300.0)
# The first pause after a provider refused for a while; it doubles each time in a row.
T2J_LLM_BACKOFF = env.float("T2J_LLM_BACKOFF", default=1.0)
# Requests of one person to the API in a minute; 0: as many as they like.
T2J_API_RATE = env.int("T2J_API_RATE", default=600)
# Tries in a minute, from one address, to get a token of the API for a password.
T2J_SIGN_IN_RATE = env.int("T2J_SIGN_IN_RATE", default=10)
# Webhooks may lead into our own network, and use http, only where this is on.
T2J_WEBHOOKS_INSIDE = env.bool("T2J_WEBHOOKS_INSIDE", default=False)
# Seconds before a webhook that failed is tried again; they double each time, up to an hour.
T2J_WEBHOOK_BACKOFF = env.float("T2J_WEBHOOK_BACKOFF", default=10.0)
# A TOML file of language models, beside those that an admin enters.
T2J_MODELS = env.str("T2J_MODELS", default="")

SECRET_KEY = _given("T2J_SECRET_KEY") or "insecure-key-for-commands-without-services"
DEBUG = env.bool("T2J_DEBUG", default=False)
# The machine's own names always: health checks use them.
ALLOWED_HOSTS = [
    *env.list("T2J_ALLOWED_HOSTS", default=[]),
    *("127.0.0.1", "localhost", "[::1]"),
]
CSRF_TRUSTED_ORIGINS = env.list("T2J_TRUSTED_ORIGINS", default=[])
# Behind TLS set T2J_HTTPS=true: cookies and redirects then insist on it.
HTTPS = env.bool("T2J_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
# Browsers' built-in lists take whole domains: whoever owns the domain decides that, not a studio.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
# Health checks come from the machine itself, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "django_ace",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "curation",
    "executor",
    "scoring",
    "t2j_site",
]

MIDDLEWARE = [
    "t2j_site.trace.TraceMiddleware",
    "t2j_site.guard.GuardMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "t2j_site.api_rules.Tags",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "t2j_site.access.AccessMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "t2j_site.urls"
WSGI_APPLICATION = "t2j_site.wsgi.application"
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
                "curation.permissions.context",
                "curation.views.preferences.context",
            ],
        },
    },
]


def _databases() -> dict[str, dict[str, Any]]:
    """PostgreSQL from DATABASE_URL; without it only commands that need no database work."""
    url = _given("DATABASE_URL")
    if not url:
        return {}
    config: dict[str, Any] = dict(env.db_url_config(url))
    if config["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            "DATABASE_URL must start with postgres://; PostgreSQL is the only database supported."
        )
    return {"default": config | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}


DATABASES = _databases()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dataset-list"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served straight from the finders: no collectstatic step between a clone and the first page.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
# Folders are brought file by file.
DATA_UPLOAD_MAX_NUMBER_FILES = 5_000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # First: what it says to strangers is a 401.
        "curation.token_auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["t2j_site.api_rules.Limit"],
    # Behind TLS there is one proxy, whose word about the sender counts.
    "NUM_PROXIES": int(HTTPS),
    "DEFAULT_PERMISSION_CLASSES": ["t2j_site.access.ApiRule"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "t2j_site.api_rules.Pages",
    # JSON only: the browsable pages list every row of a filter and need inline scripts.
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["t2j_site.api_rules.StrictJSON"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "T2J curation studio",
    "DESCRIPTION": "Datasets of verified PyTorch-to-JAX fix steps.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "t2j_site.api_schema.complete",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["t2j_site.access.ApiRule"],
    "ENUM_NAME_OVERRIDES": {
        "DraftStatus": "curation.enums.DraftStatus",
        "ModelKind": "curation.enums.Role",
        "MemberRole": "curation.enums.MemberRole",
        "ModelUse": "curation.enums.ModelRole",
        "StepKind": "curation.enums.StepKind",
        "RunState": "executor.enums.RunState",
        "DeliveryState": "curation.enums.DeliveryState",
        "TranslationState": "scoring.enums.TranslationState",
        "ExperimentKind": "scoring.enums.ExperimentKind",
    },
}

CELERY_BROKER_URL = _given("BROKER_URL")
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
# Named after the device that a run wants; a worker serves one of them or both (`-Q gpu`).
CELERY_TASK_DEFAULT_QUEUE = "cpu"
# A high prefetch would park runs with a busy worker while another is idle.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = T2J_TASK_SECONDS
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
BROKER_IS_AMQP = CELERY_BROKER_URL.startswith(("amqp", "pyamqp"))
CELERY_TASK_QUEUE_MAX_PRIORITY = 9 if BROKER_IS_AMQP else None
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"confirm_publish": True}
    if BROKER_IS_AMQP
    else {
        # A visibility time-out below the longest task would deliver it twice. A lost worker's runs
        # need not wait for it: the reaper sends them again.
        "visibility_timeout": T2J_TASK_SECONDS + 300,
        "queue_order_strategy": "priority",
        "priority_steps": [0, 3, 6, 9],
    }
)

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # Counts of requests, which all web processes share.
    "limits": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CELERY_BROKER_URL,
        "KEY_PREFIX": "t2j-limits",
    }
    if CELERY_BROKER_URL.startswith("redis")
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "limits"},
}

T2J_LOG_FORMAT = env.str("T2J_LOG_FORMAT", default="line")
LOGGING = logging_for(T2J_LOG_FORMAT, env.str("T2J_LOG_LEVEL", default="INFO"))
