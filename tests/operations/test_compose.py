"""The team's compose file: what it promises is in it, and what its services run does run.

No container is started here: commands run natively, with the same settings from the same files.
"""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import yaml
from django.conf import settings
from django.contrib.auth.models import User

from curation.models import Draft
from curation.services.tokens import make_token
from executor.models import Worker
from executor.sandbox import devices
from t2j_site.launch import programs
from t2j_site.launch.folder import Folder
from t2j_site.launch.ports import free_port
from tests.factories import make_draft, make_user
from tests.waiting import until
from tests.workers import environment

ROOT = Path(settings.BASE_DIR)
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = ("web", "prepare", "worker-cpu", "worker-gpu", "asker")
WORKERS = ("worker-cpu", "worker-gpu")
PINNED = re.compile(r"[a-z0-9/._-]+:\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?")
# Of Docker, not of ours.
FOREIGN = {"NVIDIA_DRIVER_CAPABILITIES"}


def test_every_service_of_a_team_is_there() -> None:
    assert set(SERVICES) == {*OURS, "proxy", "database", "broker"}
    gpu = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert gpu == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_non_root_watched_and_has_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"]), service["image"]
    assert str(service["user"]).split(":")[0] not in ("", "0", "root")
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    if name != "prepare":
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"
    # Boxes are made of user namespaces, which Docker's filters forbid; nobody else needs that.
    lifted = {one for one in service["security_opt"] if one.endswith("=unconfined")}
    wanted = {f"{one}=unconfined" for one in ("seccomp", "apparmor", "systempaths")}
    assert lifted == (wanted if name in WORKERS else set())
    # One door, and one way out for those who ask models.
    assert ("ports" in service) == (name == "proxy")
    assert ("outside" in service["networks"]) == (name in ("proxy", "asker"))


def test_networks_volumes_secrets_and_dependencies_exist() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name, service in SERVICES.items():
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_file(), volume
        for other, how in service.get("depends_on", {}).items():
            ends = SERVICES[other]["restart"] == "no"
            wanted = "service_completed_successfully" if ends else "service_healthy"
            assert how == {"condition": wanted}, (name, other)


def test_secrets_are_in_files_alone() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|_URL", key):
                assert key.endswith("_FILE"), (name, key)
                secret = value.removeprefix("/run/secrets/")
                assert secret in service["secrets"], (name, key)
    assert "COPY secrets" not in DOCKERFILE
    assert "/secrets/" in (ROOT / ".dockerignore").read_text().split()
    assert {"/secrets/", "/.env"} <= set((ROOT / ".gitignore").read_text().split())


def test_every_setting_is_one_that_the_studio_reads() -> None:
    code = "".join(
        file.read_text() for app in ("t2j_site", "executor") for file in (ROOT / app).rglob("*.py")
    )
    given = {key for name in OURS for key in SERVICES[name]["environment"]}
    given |= set(re.findall(r"^ENV (\w+)|^    (\w+)=", DOCKERFILE, re.MULTILINE)[0]) - {""}
    for key in given - FOREIGN:
        base = key.removesuffix("_FILE")
        assert f'"{base}"' in code or key.startswith("PYTHON"), key


def instructions() -> Iterator[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    for line in joined.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.strip().partition(" ")
            yield word, rest


def test_the_dockerfile_keeps_the_rules_of_hadolint() -> None:
    """Those that apply, by their numbers; packages of Debian are not installed at all."""
    stages, user, named = [], "", set()
    for word, rest in instructions():
        assert word == word.upper()
        if word == "FROM":
            image, _, stage = rest.partition(" AS ")
            assert image in named or PINNED.fullmatch(image), "DL3006, DL3007"
            assert stage not in named, "DL3024"
            named.add(stage)
            stages.append(stage)
            user = user if image in named - {stage} else ""
        elif word == "RUN":
            assert "sudo" not in rest.split(), "DL3004"
            assert not re.search(r"\bcd /", rest), "DL3003"
            assert not re.search(r"\b(curl|wget|apt-get|apt|pip install)\b", rest), "DL3008, DL3013"
        elif word in ("CMD", "ENTRYPOINT"):
            assert isinstance(json.loads(rest), list), "DL3025"
            assert user not in ("", "root"), "DL3002"
        elif word == "WORKDIR":
            assert rest.startswith("/"), "DL3000"
        elif word == "USER":
            user = rest
        else:
            assert word in ("SHELL", "ENV", "COPY", "ARG", "VOLUME", "EXPOSE", "HEALTHCHECK"), word
    assert user not in ("", "root"), "DL3002"
    # Each built service names a stage.
    assert {SERVICES[name]["build"]["target"] for name in OURS} == set(stages)
    assert DOCKERFILE.count("HEALTHCHECK") == 2


def test_image_and_compose_file_say_the_same_command() -> None:
    commands = [json.loads(rest) for word, rest in instructions() if word == "CMD"]
    said = [argument for part in commands[0] for argument in part.split("=")]
    web = [argument for part in SERVICES["web"]["command"] for argument in part.split("=")]
    assert said == web
    assert SERVICES["worker-gpu"]["command"][2:4] == ["t2j_site.launch.worker", "--queues=gpu"]


def test_secrets_are_made_once(tmp_path: Path) -> None:
    make = [sys.executable, str(ROOT / "deploy/make_secrets")]
    subprocess.run([*make, "t2j.example.org", str(tmp_path)], check=True)
    folder = tmp_path / "secrets"
    before = {file.name: file.read_text() for file in folder.iterdir()}
    assert set(COMPOSE["secrets"]) - before.keys() == {"tls_certificate", "tls_key"}
    assert folder.stat().st_mode & 0o077 == 0
    for url, password in (("database_url", "database_password"), ("broker_url", "broker_password")):
        parts = urlsplit(before[url])
        assert parts.password == before[password]
        assert parts.hostname in SERVICES
    assert (tmp_path / ".env").read_text() == "T2J_SITE=t2j.example.org\n"
    subprocess.run([*make, "t2j.example.org", str(tmp_path)], check=True)
    assert before == {file.name: file.read_text() for file in folder.iterdir()}
    refused = subprocess.run([*make, "https://x/", str(tmp_path)], check=False, capture_output=True)
    assert refused.returncode == 2


# What runs


def filled(text: str) -> str:
    """With Compose's variables replaced as Compose does."""
    text = re.sub(r"\$\{T2J_SITE[^}]*\}", "t2j.example.org", text)
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    assert "${" not in text
    return text


class Team:
    """The services of the compose file on the test's database and broker, run natively."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.started: dict[str, psutil.Popen] = {}

    def env(self, name: str) -> dict[str, str]:
        """As the compose file says, with the test's addresses, and secrets in files of ours."""
        given = {key: filled(str(value)) for key, value in SERVICES[name]["environment"].items()}
        here = environment()
        texts = {
            "DATABASE_URL": here["DATABASE_URL"],
            "BROKER_URL": here["BROKER_URL"],
            "T2J_SECRET_KEY": "a key of this test, long enough and then some more of it",
            "T2J_METRICS_TOKEN": "the-token",
        }
        for key, text in texts.items():
            file = self.folder / key
            file.write_text(f"{text}\n")
            given[f"{key}_FILE"] = str(file)
            here.pop(key, None)
        return here | given | {"T2J_DATA": str(self.folder)}

    def argv(self, command: list[str]) -> list[str]:
        here = f"127.0.0.1:{self.port}"
        parts = [filled(part) for part in command]
        parts = [re.sub(r"(0\.0\.0\.0|127\.0\.0\.1):8000", here, part) for part in parts]
        return [sys.executable if part == "python" else part for part in parts]

    def start(self, name: str) -> psutil.Popen:
        argv = self.argv(SERVICES[name]["command"])
        with self.log(name).open("ab") as log:
            process = psutil.Popen(argv, env=self.env(name), cwd=ROOT, stdout=log, stderr=log)
        self.started[name] = process
        return process

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The lines of a service's log. Celery warns root on its own before there is a log."""
        text = self.log(name).read_text()
        assert "[tasks]" not in text, "a banner"
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def healthy(self, name: str) -> bool:
        test = self.argv(SERVICES[name]["healthcheck"]["test"][1:])
        done = subprocess.run(test, env=self.env(name), cwd=ROOT, check=False)
        return done.returncode == 0

    def ask(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)
        except OSError:
            return 0, "", {}

    def stop(self) -> None:
        for name, process in self.started.items():
            if process.is_running():
                sent = SERVICES[name].get("stop_signal", "SIGTERM")
                process.send_signal(signal.Signals[sent])
        for process in self.started.values():
            try:
                process.wait(30)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def team(transactional_db: None, tmp_path: Path) -> Iterator[Team]:
    made = Team(tmp_path)
    yield made
    made.stop()


def test_its_services_work_together(team: Team) -> None:
    """Web and workers as the file starts them: ready, healthy, and one id from request to run."""
    web = team.start("web")
    until(lambda: team.ask("/healthz")[0] == 200)
    until(lambda: team.healthy("web"))
    code, text, _ = team.ask("/readyz")
    assert code == 503
    assert json.loads(text)["missing"] == ["worker"]
    assert not team.healthy("worker-cpu")

    team.start("worker-cpu")
    team.start("asker")
    until(lambda: team.ask("/readyz")[0] == 200)
    until(lambda: Worker.objects.filter(queues=["llm"]).exists())
    until(lambda: team.healthy("worker-cpu") and team.healthy("asker"))

    # Prometheus asks from elsewhere, with the token; nothing else gets past TLS.
    assert team.ask("/metrics")[0] == 403
    code, text, _ = team.ask("/metrics", Authorization="Bearer the-token")
    assert code == 200
    assert 't2j_workers{queue="cpu"} 1' in text.splitlines()
    assert team.ask("/login/", X_Forwarded_Proto="https", Host="elsewhere.org")[0] == 400
    code, _, headers = team.ask("/login/", X_Forwarded_Proto="https", Host="t2j.example.org")
    assert code == 200
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")

    draft = make_draft(by=make_user("ada"))
    assert ask_for_run(team, draft, "the-request-1") == 202
    until(lambda: named(team.lines("worker-cpu"), "the-request-1"), 300)
    seen = named(team.lines("worker-cpu"), "the-request-1")
    assert {line["run"] for line in seen} == {draft.runs.get().pk}
    assert named(team.lines("web"), "the-request-1")
    secret = team.env("web")
    for name in ("web", "worker-cpu", "asker"):
        written = team.log(name).read_text()
        for key in ("T2J_SECRET_KEY", "T2J_METRICS_TOKEN", "DATABASE_URL"):
            assert Path(secret[f"{key}_FILE"]).read_text().strip() not in written, (name, key)
        assert "jnp.ones" not in written
    assert web.is_running()


def named(lines: list[dict[str, Any]], request: str) -> list[dict[str, Any]]:
    """The lines of a run that a request asked for, or of the request itself."""
    return [line for line in lines if line.get("request") == request]


def ask_for_run(team: Team, draft: Draft, request: str) -> int:
    # Decided before a box is needed: what is looked at here are the logs.
    code = "import jax.numpy as jnp\njnp.ones(1)\n(\n"
    ada = User.objects.get(username="ada")
    _, token = make_token(ada, name="upload", by=ada)
    sent = urllib.request.Request(
        f"http://127.0.0.1:{team.port}/api/v1/runs/",
        data=json.dumps({"draft": draft.pk, "code": code}).encode(),
        headers={
            "Authorization": f"Token {token}",
            "Content-Type": "application/json",
            "X-Forwarded-Proto": "https",
            "X-Request-ID": request,
            "Host": "t2j.example.org",
        },
    )
    with urllib.request.urlopen(sent, timeout=60) as answer:
        assert answer.headers["X-Request-ID"] == request
        return int(answer.status)


def test_the_gpu_worker_serves_gpus_or_says_that_there_is_none(team: Team) -> None:
    worker = team.start("worker-gpu")
    if devices.found():
        until(lambda: team.healthy("worker-gpu"))
    else:
        assert worker.wait(60) != 0
        assert "This machine has no GPU" in team.log("worker-gpu").read_text()


def test_the_database_is_prepared_as_by_the_launcher(tmp_path: Path) -> None:
    """The same command, which the launcher's own tests run."""
    launched = programs.prepare(Folder(tmp_path), {}).argv
    assert SERVICES["prepare"]["command"][1:] == launched[1:]
