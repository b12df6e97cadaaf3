"""`infra/local/setup.sh`: which Python it takes, what it installs, and what it says."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.terraform_files import INFRA

PYTHON = """#!/bin/sh
# A Python whose version is the content of a file beside it. Its pip warns as pip does, and installs uv from its lock.
echo "$(basename "$0") $*" >> "$HOME/calls"
version=$(cat "$0.version")
case "$1 $2" in
"-c import"*"(3, 13), (3, 14)"*) case $version in 3.13 | 3.14) exit 0 ;; *) exit 1 ;; esac ;;
"-c import"*"(3, 9)"*) case $version in 3.8) exit 1 ;; *) exit 0 ;; esac ;;
"-m venv")
  mkdir -p "$3/bin" "$3/lib/python$version/site-packages"
  cp "$0" "$3/bin/python"
  cp "$0.version" "$3/bin/python.version"
  ;;
"-m pip")
  [ ! -e "$HOME/no_index" ] || exit 1
  case "$*" in *-qq*) ;; *) echo "WARNING: Location is ignored" >&2 ;; esac
  case "$*" in *bootstrap*) cp "$HOME/uv" "$(dirname "$0")/uv" ;; esac
  ;;
esac
"""
UV = """#!/bin/sh
# A uv that finds the Python it has installed.
echo "uv $*" >> "$HOME/calls"
case "$1 $2" in
"python find") [ -e "$HOME/brought/python$4" ] && echo "$HOME/brought/python$4" ;;
"python install")
  [ ! -e "$HOME/no_release" ] || exit 1
  mkdir -p "$HOME/brought"
  cp "$HOME/python" "$HOME/brought/python$4"
  echo "$4" > "$HOME/brought/python$4.version"
  ;;
esac
"""


class Machine:
    """A checkout and a machine with the Pythons that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.home, self.bin = (folder / name for name in ("checkout", "home", "bin"))
        for each in (self.checkout / "infra" / "local", self.checkout / "requirements", self.home, self.bin):
            each.mkdir(parents=True)
        shutil.copy(INFRA / "local" / "setup.sh", self.checkout / "infra" / "local")
        for name in ("demo", "development", "bootstrap"):
            (self.checkout / "requirements" / f"{name}.txt").write_text(f"{name}==1\n")
        for name, text in (("python", PYTHON), ("uv", UV)):
            (self.home / name).write_text(text)
            (self.home / name).chmod(0o755)
        for name in ("basename", "cat", "cmp", "cp", "date", "dirname", "grep", "mkdir", "mv", "rm", "sh"):
            (self.bin / name).symlink_to(str(shutil.which(name)))

    def has_python(self, name: str, version: str) -> None:
        """Put a Python on the path."""
        shutil.copy(self.home / "python", self.bin / name)
        (self.bin / f"{name}.version").write_text(version)

    def set_up(self, purpose: str = "demo") -> subprocess.CompletedProcess[str]:
        """Run the script."""
        (self.home / "calls").write_text("")
        return subprocess.run(  # noqa: S603 (our own script)
            ["/bin/sh", str(self.checkout / "infra" / "local" / "setup.sh"), purpose],
            env={"HOME": str(self.home), "PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def calls(self) -> list[str]:
        """What was called, without the questions for a version."""
        lines = (self.home / "calls").read_text().splitlines()
        return [re.sub(r"-qq.*--requirement ", "", line) for line in lines if " -c " not in line]

    @property
    def installed(self) -> str:
        """The lock that the environment was made from."""
        return (self.checkout / ".venv" / "installed.txt").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without Python."""
    return Machine(tmp_path)


@pytest.mark.parametrize(("name", "version"), [("python3.13", "3.13"), ("python3.14", "3.14"), ("python3", "3.14")])
def test_a_supported_python_makes_the_environment_and_each_step_is_shown_with_its_time(
    machine: Machine, name: str, version: str
) -> None:
    machine.has_python(name, version)

    ended = machine.set_up()

    assert ended.returncode == 0, ended.stderr
    assert machine.calls == [f"{name} -m venv .venv", "python -m pip install requirements/demo.txt"]
    assert re.fullmatch(
        rf"Setting up \.venv for demo, once:\n  an environment with \S+/{name} \.\.\. \d+ s\n"
        r"  1 packages \.\.\. \d+ s\n",
        ended.stderr,
    )
    assert machine.installed == "demo==1\n"


@pytest.mark.parametrize("before", [None, "/where/it/was/once/functions\n"], ids=["new", "moved"])
@pytest.mark.parametrize("version", ["3.13", "3.14"])
def test_the_environment_finds_the_product_also_when_it_is_up_to_date(
    machine: Machine, version: str, before: str | None
) -> None:
    machine.has_python("python3", version)
    machine.set_up()
    [path] = (machine.checkout / ".venv" / "lib").glob("python3.*/site-packages/spotkeeper.pth")
    assert path.parent.parent.name == f"python{version}"
    path.unlink()
    if before:
        path.write_text(before)

    ended = machine.set_up()

    assert (ended.returncode, ended.stdout, ended.stderr, machine.calls) == (0, "", "", [])
    assert path.read_text() == f"{machine.checkout}/functions\n"
    assert list(path.parent.iterdir()) == [path]


def test_what_the_demo_needs_is_completed_for_development_which_serves_both(machine: Machine) -> None:
    machine.has_python("python3", "3.13")
    machine.set_up("demo")

    machine.set_up("development")
    assert machine.calls == ["python -m pip install requirements/development.txt"]
    for purpose in ("development", "demo"):
        machine.set_up(purpose)
        assert machine.calls == []
    assert machine.installed == "development==1\n"


def test_an_environment_of_another_lock_is_made_again(machine: Machine) -> None:
    machine.has_python("python3", "3.13")
    machine.set_up("demo")
    (machine.checkout / "requirements" / "demo.txt").write_text("demo==2\n")
    old = machine.checkout / ".venv" / "old"
    old.touch()

    machine.set_up("demo")

    assert machine.installed == "demo==2\n"
    assert not old.exists()


def test_an_install_that_fails_is_not_taken_for_done(machine: Machine) -> None:
    machine.has_python("python3", "3.13")
    (machine.home / "no_index").touch()
    assert machine.set_up().returncode != 0
    (machine.home / "no_index").unlink()

    assert machine.set_up().returncode == 0
    assert machine.installed == "demo==1\n"


def test_an_older_python_brings_a_supported_one_by_uv_from_the_package_index(machine: Machine) -> None:
    machine.has_python("python3", "3.9")

    ended = machine.set_up()

    assert ended.returncode == 0, ended.stderr
    assert machine.calls == [
        "python3 -m venv .venv-uv",
        "python -m pip install requirements/bootstrap.txt",
        "uv python find --system 3.13",
        "uv python find --system 3.14",
        "uv python install --quiet 3.13",
        "uv python find --system 3.13",
        "python3.13 -m venv .venv",
        "python -m pip install requirements/demo.txt",
    ]
    assert [line.partition(" ... ")[0].strip() for line in ended.stderr.splitlines()] == [
        "Setting up .venv for demo, once:",
        "an environment for uv, with python3",
        "uv, from the package index",
        "Python 3.13, by uv",
        f"an environment with {machine.home}/brought/python3.13",
        "1 packages",
    ]


@pytest.mark.parametrize(("version", "lacks"), [("3.8", ""), ("3.12", "no_index"), ("3.12", "no_release"), ("", "")])
def test_where_no_python_can_be_brought_a_sentence_says_what_to_install(
    machine: Machine, version: str, lacks: str
) -> None:
    if version:
        machine.has_python("python3", version)
    if lacks:
        (machine.home / lacks).touch()

    ended = machine.set_up()

    assert ended.returncode == 1
    assert "spotkeeper needs Python 3.13 or 3.14, and found neither" in ended.stderr
    assert "pyenv install 3.13" in ended.stderr
    assert not (machine.checkout / ".venv").exists()


def test_another_purpose_is_refused(machine: Machine) -> None:
    ended = machine.set_up("production")

    assert (ended.returncode, machine.calls) == (2, [])
    assert "demo|development" in ended.stderr


def test_the_script_is_executable() -> None:
    assert os.access(INFRA / "local" / "setup.sh", os.X_OK)
