"""What Terraform itself says, where there is one: formatting, validity, the plans in infra/tests, and moved states.

The providers are Google's own, when infra/ is initialised or the registry can be reached; else those of a tool that
serves only their schemas, named by SPOTKEEPER_TERRAFORM_CHECK or found beside the checkout. Which of them it was is
said at the end of the tests. Without any it is skipped, and says so. What variables refuse is in test_refusals.py.

The policy scanner runs with `make scan`, in an environment of its own.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.terraform_files import DEPLOYED, INFRA, ROOT, resources

TERRAFORM = shutil.which("terraform")
OFFLINE = Path(
    os.environ.get("SPOTKEEPER_TERRAFORM_CHECK") or ROOT.parent / "shared" / "tools" / "terraform-offline" / "check"
)
INITIALISED = (INFRA / ".terraform" / "providers").is_dir()
PLANS = "tests/deployment.tftest.hcl"
EXAMPLE = INFRA / "example"
MOVES = Path(__file__).with_name("moves.tftest.hcl")
QUIET = {**os.environ, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}

PROVIDERS = "google" if INITIALISED or not OFFLINE.is_file() else "schemas"

needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="TERRAFORM CHECKS NOTHING HERE: it is not installed")


def how_terraform_was_checked() -> str:
    """Say which providers the module is validated and planned with."""
    if TERRAFORM is None:
        return "not installed, so nothing was validated or planned"
    if PROVIDERS == "schemas":
        return f"validated and planned with the schemas of Google's provider, by {OFFLINE}"
    return "validated and planned with Google's provider" + (
        "" if INITIALISED else ", if the registry could be reached"
    )


pytestmark = pytest.mark.timeout(600)


@needs_terraform
def test_the_files_are_formatted() -> None:
    assert _output([str(TERRAFORM), f"-chdir={INFRA}", "fmt", "-check", "-recursive"]) == ""


@needs_terraform
@pytest.mark.parametrize("providers", [PROVIDERS])
def test_the_module_is_valid_and_its_plans_are_as_expected(providers: str) -> None:
    output = _checked(providers, INFRA, f"-filter={PLANS}")

    assert "Success! The configuration is valid" in output
    assert output.count("... pass") == 1 + (INFRA / PLANS).read_text().count("\nrun ")
    assert " 0 failed" in output


@needs_terraform
@pytest.mark.parametrize("providers", [PROVIDERS])
def test_a_configuration_that_exists_can_use_the_module_with_a_provider_of_its_own(providers: str) -> None:
    assert "Success! The configuration is valid" in _checked(providers, EXAMPLE)


@needs_terraform
@pytest.mark.parametrize("providers", [PROVIDERS])
def test_a_state_from_before_the_module_is_kept_whole(tmp_path: Path, providers: str) -> None:
    root = _root_with_tests(tmp_path, MOVES)

    output = _checked(providers, root, "-verbose")

    moved = set(re.findall(r"# (\w+\.\w+)\S* has moved to module\.", output))
    moved |= set(re.findall(r"# \(moved from (\w+\.\w+)", output))
    assert [line for line in output.splitlines() if line.startswith("Plan:")][-1].startswith("Plan: 0 to add, ")
    assert ", 0 to destroy." in output
    assert moved == {f"{block.kind}.{block.name}" for block in resources()}


def _root_with_tests(folder: Path, tests: Path) -> Path:
    """Return a copy of the root and its module in a repository of its own, with tests of the root."""
    root = folder / "infra" / "root"
    (root / "tests").mkdir(parents=True)
    shutil.copy(tests, root / "tests")
    for copied in (INFRA, DEPLOYED):
        for path in copied.glob("*.tf"):
            shutil.copy(path, folder / path.relative_to(ROOT), follow_symlinks=False)
    for read in ("functions", "sql", "dashboards"):
        (folder / read).symlink_to(ROOT / read)
    _output(["git", "init", "--quiet", str(folder)])
    return root


def _checked(providers: str, root: Path, *words: str) -> str:
    """Return what Terraform says of a root: is it valid, and its tests if it has any."""
    return _output([str(OFFLINE), str(root), *words]) if providers == "schemas" else _with_providers(root, *words)


def _with_providers(root: Path, *words: str) -> str:
    terraform = [str(TERRAFORM), f"-chdir={root}"]
    if not (root / ".terraform" / "providers").is_dir():
        begun = _output([*terraform, "init", "-backend=false", "-input=false", "-no-color"])
        if "successfully initialized" not in begun:
            pytest.skip(f"TERRAFORM VALIDATES AND PLANS NOTHING HERE: no registry, and there is no {OFFLINE}\n{begun}")
    return _output([*terraform, "validate", "-no-color"]) + _output([*terraform, "test", "-no-color", *words])


def _output(command: list[str]) -> str:
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=QUIET)  # noqa: S603 (fixed words)
    return process.stdout + (process.stderr if process.returncode else "")


def test_every_exception_of_the_policy_scanner_has_a_reason() -> None:
    exceptions = [line for line in (INFRA / ".checkov.yaml").read_text().splitlines() if "CKV" in line]

    assert exceptions
    assert [line for line in exceptions if not re.search(r"- CKV_GCP_\d+ # .{20,}", line)] == []
