"""What every answer carries, what no request may be, and what production settings must say."""

import os
import secrets
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as conf
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from t2j_site.guard import POLICY
from t2j_site.launch.given import BadFile, given
from tests.factories import make_user

PRODUCTION = {
    "T2J_HTTPS": "true",
    "T2J_ALLOWED_HOSTS": "t2j.example.org",
    "T2J_TRUSTED_ORIGINS": "https://t2j.example.org",
}


def check(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    # Browser tests in the same process allow what no deployment may.
    ours = ("T2J_SECRET_KEY", "DJANGO_ALLOW_ASYNC_UNSAFE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=kept | env,
        cwd=conf.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_deploy_is_clean_under_production_settings() -> None:
    key = secrets.token_urlsafe(50)
    done = check(
        *("check", "--deploy", "--fail-level", "WARNING"), **PRODUCTION, T2J_SECRET_KEY=key
    )
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_without_tls_it_says_what_is_missing() -> None:
    found = {one.id for one in run_checks(tags=["security"], include_deployment_checks=True)}
    # HSTS, redirect, cookies of session and CSRF
    assert {f"security.W0{number}" for number in ("04", "08", "12", "16")} <= found


def test_only_one_check_is_silenced() -> None:
    assert conf.SILENCED_SYSTEM_CHECKS == ["security.W021"]


PATHS = (
    *("/login/", "/", "/nothing/", "/admin/login/", "/admin/", "/api/v1/", "/api/v1/docs/"),
    *("/static/css/studio.css", "/healthz", "/readyz", "/metrics"),
)


@pytest.mark.django_db
def test_every_answer_carries_the_policy(client: Client) -> None:
    for path in PATHS:
        response = client.get(path)
        assert response["Content-Security-Policy"] == POLICY, path
        assert response["X-Content-Type-Options"] == "nosniff", path
    assert "unsafe" not in POLICY
    for path in ("/login/", "/", "/admin/login/"):
        response = client.get(path)
        assert response["X-Frame-Options"] == "DENY", path
        assert response["Referrer-Policy"] == "same-origin", path
        assert response["Cross-Origin-Opener-Policy"] == "same-origin", path
    assert client.get("/", HTTP_HOST="elsewhere.example")["Content-Security-Policy"] == POLICY


@pytest.mark.django_db
def test_behind_tls_cookies_and_addresses_insist_on_it(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = True
    settings.CSRF_COOKIE_SECURE = settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    make_user("ada")
    client = Client(headers={"X-Forwarded-Proto": "https"})
    page = client.get("/login/")
    assert page["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    client.post("/login/", {"username": "ada", "password": "correct horse battery"})
    session, token = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert session["secure"] and session["httponly"] and session["samesite"] == "Lax"
    assert token["secure"] and token["samesite"] == "Lax"
    plain = Client().get("/login/")
    assert (plain.status_code, plain["Location"]) == (301, "https://testserver/login/")


@pytest.mark.django_db
def test_a_body_over_the_limit_is_refused_unread(client: Client, settings: Any) -> None:
    settings.T2J_UPLOAD_BYTES = 2**20
    body = b"x" * (2**20 + 1)
    for path in ("/", "/login/", "/nothing/"):
        response = client.post(path, body, content_type="application/octet-stream")
        assert response.status_code == 413
        assert "That is too large" in response.content.decode()
        assert response["Content-Security-Policy"] == POLICY
    answer = client.post("/api/v1/examples/", body, content_type="application/json")
    assert answer.status_code == 413
    assert "1 MB in one request" in answer.json()["detail"]


def test_a_secret_from_a_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("from the file\n")
    monkeypatch.setenv("T2J_THING", "from the variable")
    assert given("T2J_THING") == "from the variable"
    monkeypatch.setenv("T2J_THING_FILE", str(file))
    assert given("T2J_THING") == "from the file"
    file.unlink()
    with pytest.raises(BadFile, match=r"T2J_THING_FILE names .*, which is not a file"):
        given("T2J_THING")


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "BROKER_URL", "T2J_SECRET_KEY", "T2J_METRICS_TOKEN"]
)
def test_every_secret_may_come_from_a_file(
    name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from t2j_site import settings as module

    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match=f"{name}_FILE names"):
        module._given(name)
    assert f'_given("{name}")' in (conf.BASE_DIR / "t2j_site/settings.py").read_text()
