"""What settings demand is had, or nothing runs and a person reads what is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.template import Context, Template

from executor import sandbox
from executor.runtimes import PROJECT
from executor.sandbox import Job, SandboxUnavailable, groups, isolation

HELLO = Job("jax", "selftest_program", {"code.py": b"print('ran')"})


def test_a_stronger_layer_stands_in_for_a_weaker_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T2J_ISOLATION", "namespaces+memory-rlimit+memory-watcher")
    isolation.require("namespaces+seccomp+rlimits+cgroup")
    with pytest.raises(SandboxUnavailable, match="demand memory-watcher around every run"):
        isolation.require("namespaces+seccomp+rlimits+memory-rlimit")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("T2J_ISOLATION", "namespaces+walls", "T2J_ISOLATION names 'walls'; known layers: name"),
        ("T2J_SANDBOX", "chroot", "T2J_SANDBOX is 'chroot'; known: namespaces, docker, gvisor."),
    ],
)
def test_an_unknown_setting_is_named(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SandboxUnavailable) as caught:
        sandbox.run(HELLO)
    assert str(caught.value).startswith(sentence)


def test_another_system_gets_a_clear_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    report = sandbox.isolation_report()
    assert (report["available"], report["level"]) == (False, "none")
    assert report["why"].startswith("Programs run in boxes of Linux, and this is Darwin: run the")


@pytest.mark.parametrize("handed_down", ["cpu memory pids", "cpu pids"])
def test_groups_of_version_2_are_made_beside_ours_where_memory_is_handed_down(
    handed_down: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "studio.service" / "worker"
    own.mkdir(parents=True)
    told = {
        "/proc/self/cgroup": "0::/studio.service/worker\n",
        "/proc/self/mountinfo": f"30 24 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw\n",
        str(own.parent / "cgroup.subtree_control"): handed_down,
        str(own / "cgroup.subtree_control"): "",
    }
    monkeypatch.setattr(groups, "_read", lambda path: told.get(str(path), ""))
    found = [place.folder for place in groups._candidates()]
    assert found == ([own.parent] if "memory" in handed_down else [])
    asked = own.parent / "cgroup.subtree_control"
    assert asked.exists() == ("memory" not in handed_down)


def test_every_run_is_refused_while_less_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.close()
    monkeypatch.setenv("T2J_ISOLATION", "cgroup")
    monkeypatch.setattr(groups, "find_place", lambda: None)
    for warm in (True, False):
        with pytest.raises(SandboxUnavailable) as caught:
            sandbox.run(HELLO, warm=warm)
        assert str(caught.value) == (
            "Settings demand cgroup around every run and this machine reaches only "
            "namespaces+seccomp+rlimits+memory-watcher. Nothing is run with less: for cgroup, "
            "start the worker as root, or as a systemd service with Delegate=memory and "
            "DelegateSubgroup=worker."
        )
    with pytest.raises(SandboxUnavailable, match="Settings demand cgroup"):
        sandbox.require()
    told = sandbox.selftest()
    assert (told.held, told.level) == (False, "namespaces+seccomp+rlimits+memory-watcher")
    monkeypatch.delenv("T2J_ISOLATION")
    assert sandbox.run(HELLO).stdout == "ran\n"
    sandbox.close()


def test_the_selftest_command_refuses_with_the_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "selftest", "--json"],
        cwd=PROJECT, env=os.environ | {"T2J_ISOLATION": "gvisor"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["held"] is False
    assert "Settings demand gvisor" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_level_is_told_in_words() -> None:
    level = sandbox.run(HELLO).isolation
    assert [layer.name for layer in isolation.layers(level)] == level.split("+")
    assert isolation.layers("none") == []


def test_pages_show_each_layer_in_words() -> None:
    page = Template("{% load isolation %}{% isolation level %}")
    shown = page.render(Context({"level": "namespaces+seccomp+rlimits+cgroup"}))
    assert "cgroup: memory of all processes together held by the kernel" in shown
    assert "nothing is run" in page.render(Context({"level": "none"}))
