"""Django settings; every value that an operator may change comes from `env`."""

import os
import sys
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from platform_site.settings.api_description import API_DESCRIPTION
from platform_site.settings.databases import database_from_url, sqlite_database
from platform_site.settings.env import (
    env_choice,
    env_flag,
    env_int,
    env_list,
    env_secret,
    env_text,
)
from platform_site.settings.installation import ensure_data_dir, ensure_secret_key
from platform_site.settings.logs import logging_settings

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VERSION = "0.1.0"
DATA_DIR = ensure_data_dir(Path(env_text("DATA_DIR", str(BASE_DIR / "data"))).expanduser())
SECRET_KEY = env_secret("SECRET_KEY") or ensure_secret_key(DATA_DIR)
SECRET_KEY_FALLBACKS = [key for key in (env_secret("SECRET_KEY_FALLBACK"),) if key is not None]
DEBUG = env_flag("DEBUG", default=False)

HOST = env_text("HOST", "127.0.0.1")
PORT = env_int("PORT", 8000, low=1, high=65535)
WORKERS = env_int("WORKERS", max(2, min(4, (os.cpu_count() or 2) // 2 + 1)), low=1, high=64)
ASGI_SERVER = env_choice("ASGI_SERVER", "uvicorn", frozenset({"uvicorn", "daphne"}))
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env_list("ALLOWED_HOSTS", [])]
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS", [])
BEHIND_TLS = env_flag("BEHIND_TLS", default=False)
TRUSTED_PROXY_COUNT = env_int("TRUSTED_PROXY_COUNT", 0, low=0, high=5)

INSTALLED_APPS = [
    # Twisted costs 26 MB: only where daphne serves (`runserver` is daphne's, too).
    *(["daphne"] if ASGI_SERVER == "daphne" or "runserver" in sys.argv else []),
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "django_htmx",
    "axes",
    "csp",
    "platform_site.core",
    "platform_site.events",
    "platform_site.jobs",
    "platform_site.accounts",
    "assets",
    "monitoring",
    "experiments",
    "registry",
    "platform_site.web",
]

MIDDLEWARE = [
    "platform_site.core.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "platform_site.core.static_files.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "platform_site.core.middleware.LibraryPagesPolicyMiddleware",
    "platform_site.core.middleware.PrivatePagesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "platform_site.core.middleware.AccessRuleMiddleware",
    "platform_site.core.middleware.DomainErrorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "platform_site.urls"
ASGI_APPLICATION = "platform_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "platform_site.web.shell.shell",
            ],
        },
    },
]

_database_url = env_secret("DATABASE_URL")
DATABASES: dict[str, Any] = {
    "default": database_from_url(_database_url)
    if _database_url
    else sqlite_database(DATA_DIR / "assay.sqlite3")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env_secret("REDIS_URL")
# What wakes followers in other processes; "channel-layer" (Redis) where LISTEN cannot reach.
LIVE_WAKE = env_choice("LIVE_WAKE", "auto", frozenset({"auto", "listen", "channel-layer", "poll"}))

if REDIS_URL:
    CACHES: dict[str, Any] = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    }
    # socket_timeout must exceed the layer's own 5 s read, or idle sockets close.
    _layer_host = REDIS_URL + ("&" if "?" in REDIS_URL else "?") + "socket_timeout=20"
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [_layer_host]},
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# The queue only wakes workers up; the Job row decides. Hence: never redeliver, never retry.
Q_CLUSTER = {
    "name": env_text("Q_CLUSTER_NAME", "default"),
    "workers": WORKERS,
    "queue_limit": 1,
    "bulk": 1,
    "poll": 0.1,
    "timeout": 3600,
    "retry": 2**31 - 1,
    "max_attempts": 1,
    "ack_failures": True,
    "recycle": 50,
    "save_limit": 200,
    "catch_up": False,
    "daemonize_workers": False,
    "orm": "default",
    "label": "Queue",
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "platform_site.accounts.hashers.SmallArgon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "accounts:login"
SIGN_UP_ENABLED = env_flag("SIGN_UP_ENABLED", default=False)

# One counter for every door (pages, admin, API): by account and by address.
AXES_ENABLED = True
AXES_FAILURE_LIMIT = env_int("LOGIN_FAILURE_LIMIT", 10, low=3, high=1000)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = ["username", "ip_address"]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "platform_site.accounts.lockout.answer_locked_out"
AXES_HANDLER = "platform_site.accounts.lockout.CountBeforeCheck"
AXES_CLIENT_IP_CALLABLE = "platform_site.accounts.lockout.client_address"
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False

KNOX_TOKEN_MODEL = "accounts.ApiToken"
# knox's own table is replaced by ours; its migrations would leave an orphan with a foreign key.
MIGRATION_MODULES = {"knox": None}
REST_KNOX = {
    "AUTH_TOKEN_CHARACTER_LENGTH": 64,
    "TOKEN_PREFIX": "assay_",
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": None,
    "AUTO_REFRESH": False,
    "TOKEN_MODEL": KNOX_TOKEN_MODEL,
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "platform_site.accounts.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "platform_site.accounts.permissions.TokenScopeAllows",
    ],
    "DEFAULT_PARSER_CLASSES": ["platform_site.core.json_parser.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["platform_site.core.json_parser.CleanJSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "platform_site.core.api_errors.handle",
    # Otherwise ?format= on any route means a renderer, and one that is missing answers 404.
    "URL_FORMAT_OVERRIDE": None,
    "NUM_PROXIES": TRUSTED_PROXY_COUNT,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Assay API",
    "DESCRIPTION": API_DESCRIPTION,
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = BEHIND_TLS
SESSION_COOKIE_NAME = "__Host-assay_session" if BEHIND_TLS else "assay_session"
CSRF_COOKIE_SECURE = BEHIND_TLS
CSRF_COOKIE_NAME = "__Host-assay_csrf" if BEHIND_TLS else "assay_csrf"
SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_REDIRECT_EXEMPT = [r"^health$"]  # load balancers and doctor ask over plain HTTP
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = BEHIND_TLS
SECURE_HSTS_PRELOAD = BEHIND_TLS
if BEHIND_TLS and TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ar", _("Arabic"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env_text("TIME_ZONE", "UTC")

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_TEMP_DIR = str(DATA_DIR / "incoming")
FILE_UPLOAD_PERMISSIONS = 0o600
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 50

MAX_UPLOAD_BYTES = env_int("MAX_UPLOAD_BYTES", 2 * 1024**3, low=1024, high=2**45)
MAX_EXPANDED_BYTES = env_int("MAX_EXPANDED_BYTES", 4 * 1024**3, low=1024, high=2**45)
MAX_ARTIFACT_BYTES = env_int("MAX_ARTIFACT_BYTES", 50 * 1024**3, low=1024, high=2**45)
# Of a project's artifacts together; 0 sets no limit.
PROJECT_QUOTA_BYTES = env_int("PROJECT_QUOTA_BYTES", 0, low=0, high=2**50)
# Uploads stop while the disk has less free room, so that the database can still write.
FREE_DISK_RESERVE_BYTES = env_int("FREE_DISK_RESERVE_BYTES", 512 * 1024**2, low=0, high=2**45)
JOB_MEMORY_LIMIT_BYTES = env_int("JOB_MEMORY_LIMIT_BYTES", 0, low=0, high=2**45)
JOB_LEASE_S = env_int("JOB_LEASE_S", 20, low=2, high=3600)
TRAIN_CLUSTER = env_text("TRAIN_CLUSTER", "")
NASA_TAP_URL = env_text("NASA_TAP_URL", "https://exoplanetarchive.ipac.caltech.edu/TAP")
SAMPLE_INTERVAL_S = env_int("SAMPLE_INTERVAL_S", 5, low=1, high=60)
# A client's run that says nothing for so long counts as lost, until it speaks again.
RUN_SILENCE_S = env_int("RUN_SILENCE_S", 6 * 3600, low=60, high=400 * 24 * 3600)

UNFOLD = {
    "SITE_TITLE": "Assay console",
    "SITE_HEADER": "Assay",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": f"{STATIC_URL}site/favicon.svg"}
    ],
}

SILENCED_SYSTEM_CHECKS = (
    []
    if BEHIND_TLS
    else [
        # The embedded default listens on loopback without TLS; BEHIND_TLS=yes turns all of these on.
        "security.W004",
        "security.W008",
        "security.W012",
        "security.W016",
    ]
)
# One line for each call of the tracking protocol; failed and slow ones are always logged.
ACCESS_LOG = env_flag("ACCESS_LOG", default=False)
LOGGING = logging_settings(debug=DEBUG)
