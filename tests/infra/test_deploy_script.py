"""`make plan`, `deploy` and `destroy`: what they tell Terraform, in which order, and what they refuse to begin."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.infra.terraform_files import INFRA

SETTINGS = 'project_id = "home-project-1"\nregion = "us-central1"\n'
FORMER_DATA = ("google_bigquery_dataset.costs", "google_bigquery_table.recorded")
DATA = tuple(f"module.spotkeeper.{address}" for address in FORMER_DATA)
TERRAFORM = """#!/bin/sh
# A Terraform that knows its state as a list of addresses and its outputs as files.
echo "$*" >> calls
case "$1 $2" in
"output -raw") cat "$3.output" ;;
"state list") grep -xF "$3" state ;;
"state rm") grep -vxF "$3" state > rest; mv rest state ;;
"destroy "*) grep -q google_bigquery_table state && [ ! -e may_delete ] && exit 1 ;  : > state ;;
"init "*) [ ! -e no_registry ] || { echo "no registry"; exit 1; } ;;
esac
"""

type Deploy = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root beside the script, with a Terraform that takes notes, and nothing deployed."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "deploy.sh").write_text((INFRA / "deploy.sh").read_text())
    (tmp_path / "example.tfvars").write_text(SETTINGS)
    (root / "bin").mkdir()
    (root / "bin" / "terraform").write_text(TERRAFORM)
    (root / "bin" / "terraform").chmod(0o755)
    (root / "terraform.tfvars").write_text(SETTINGS)
    (root / "state").write_text("")
    return root


@pytest.fixture
def deploy(root: Path) -> Deploy:
    """Return the script, called with words, an environment and an answer."""

    def call(
        *words: str, answer: str = "", path: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        known: Mapping[str, str] = {"PATH": path or f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}", **environment}
        return subprocess.run(  # noqa: S603 (our own script)
            ["/bin/sh", str(root.parent / "deploy.sh"), *words],
            input=answer,
            capture_output=True,
            text=True,
            check=False,
            env=known,
        )

    return call


def calls(root: Path) -> list[str]:
    """Return the arguments of Terraform's calls, without those that read the state."""
    log = (root / "calls").read_text().splitlines() if (root / "calls").exists() else []
    return [line for line in log if not line.startswith(("output", "state list", "init"))]


def installed(root: Path, *, project: str = "home-project-1", deletes_data: bool = False) -> None:
    (root / "project_id.output").write_text(project)
    (root / "deletes_data.output").write_text(str(deletes_data).lower())
    (root / "state").write_text("\n".join([*DATA, "google_pubsub_topic.budget", ""]))


def test_a_plan_is_of_the_project_that_the_settings_name(root: Path, deploy: Deploy) -> None:
    assert deploy("plan").returncode == 0
    assert calls(root) == ["plan -input=false -var project_id=home-project-1"]


def test_a_project_that_is_named_comes_before_that_of_the_settings(root: Path, deploy: Deploy) -> None:
    assert deploy("plan", "other-project-1").returncode == 0
    assert calls(root) == ["plan -input=false -var project_id=other-project-1"]


def test_terraform_asks_before_it_deploys_unless_that_is_confirmed(root: Path, deploy: Deploy) -> None:
    deploy("deploy")
    deploy("deploy", CONFIRM="home-project-1")
    deploy("deploy", CONFIRM="other-project-1")

    assert calls(root) == [
        "apply -var project_id=home-project-1",
        "apply -input=false -auto-approve -var project_id=home-project-1",
        "apply -var project_id=home-project-1",
    ]


@pytest.mark.parametrize("action", ["plan", "deploy", "destroy"])
def test_a_state_of_another_project_is_left_alone(root: Path, deploy: Deploy, action: str) -> None:
    installed(root, project="other-project-1")

    done = deploy(action, CONFIRM="home-project-1")

    assert done.returncode == 2
    assert "This state is of project other-project-1, not of home-project-1." in done.stderr
    assert calls(root) == []


def test_destroying_leaves_the_data_and_takes_the_rest(root: Path, deploy: Deploy) -> None:
    installed(root)

    done = deploy("destroy", answer="home-project-1\n")

    assert done.returncode == 0
    assert "The dataset and its tables stay" in done.stdout
    assert calls(root) == [
        *(f"state rm {address}" for address in DATA),
        "destroy -input=false -auto-approve -var project_id=home-project-1",
    ]


def test_destroying_takes_the_data_too_when_the_operator_has_said_so(root: Path, deploy: Deploy) -> None:
    installed(root, deletes_data=True)
    (root / "may_delete").touch()

    done = deploy("destroy", answer="home-project-1\n")

    assert "AND DELETES ITS DATA" in done.stdout
    assert calls(root) == ["destroy -input=false -auto-approve -var project_id=home-project-1"]


@pytest.mark.parametrize("answer", ["", "yes\n", "other-project-1\n"])
def test_nothing_is_destroyed_without_the_name_of_the_project(root: Path, deploy: Deploy, answer: str) -> None:
    installed(root)

    done = deploy("destroy", answer=answer)

    assert (done.returncode, done.stderr.strip()) == (2, "Nothing was changed.")
    assert calls(root) == []


def test_destroying_goes_on_where_it_stopped(root: Path, deploy: Deploy) -> None:
    installed(root)
    (root / "state").write_text(f"{DATA[1]}\n")

    assert deploy("destroy", CONFIRM="home-project-1").returncode == 0
    assert calls(root)[0] == f"state rm {DATA[1]}"


def test_destroying_leaves_the_data_of_a_state_from_before_the_module(root: Path, deploy: Deploy) -> None:
    installed(root)
    (root / "state").write_text("\n".join([*FORMER_DATA, "google_pubsub_topic.budget", ""]))

    assert deploy("destroy", CONFIRM="home-project-1").returncode == 0
    assert calls(root)[:2] == [f"state rm {address}" for address in FORMER_DATA]


LEFT = [
    "terraform.tfvars",
    "team.auto.tfvars",
    "terraform.tfstate",
    "terraform.tfstate.d",
    "backend.tf",
    ".terraform.lock.hcl",
    ".terraform/environment",
    ".terraform/terraform.tfstate",
]


@pytest.mark.parametrize("left", LEFT)
def test_settings_and_states_of_the_former_root_are_named_with_the_commands_that_move_them(
    root: Path, deploy: Deploy, left: str
) -> None:
    (root.parent / left).parent.mkdir(exist_ok=True)
    (root.parent / left).write_text(SETTINGS)
    (root / left).unlink(missing_ok=True)

    refused = deploy("plan")
    commands = [line.strip() for line in refused.stderr.splitlines() if line.startswith("  ")]
    for command in commands:
        subprocess.run(  # noqa: S603 (the commands that our own script prints)
            ["/bin/sh", "-c", command.replace("infra/", f"{root.parent}/")], check=True
        )

    assert (refused.returncode, len(commands)) == (2, 1)
    assert (root / left).exists()
    assert deploy("plan").returncode == 0


def test_what_is_missing_is_reported_with_its_fix(root: Path, deploy: Deploy) -> None:
    (root / "no_registry").touch()
    offline = deploy("plan")
    (root / "terraform.tfvars").write_text('region = "us-central1"\n')
    nameless = deploy("plan")
    (root / "terraform.tfvars").unlink()
    unset = deploy("plan")
    (root / "tools").mkdir()
    (root / "tools" / "dirname").symlink_to(str(shutil.which("dirname")))
    absent = deploy("plan", path=str(root / "tools"))

    assert "no registry" in offline.stderr
    assert "make plan PROJECT=my-project-1" in nameless.stderr
    assert "cp infra/example.tfvars infra/root/terraform.tfvars" in unset.stderr
    assert "Terraform is not installed" in absent.stderr
    assert deploy("apply").stderr.startswith("usage:")
    assert calls(root) == []
