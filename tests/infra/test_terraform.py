"""What Terraform itself says, where there is one: formatting, validity, and the plans in infra/tests.

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

from tests.infra.terraform_files import INFRA, ROOT

TERRAFORM = shutil.which("terraform")
OFFLINE = Path(
    os.environ.get("SPOTKEEPER_TERRAFORM_CHECK") or ROOT.parent / "shared" / "tools" / "terraform-offline" / "check"
)
INITIALISED = (INFRA / ".terraform" / "providers").is_dir()
PLANS = "tests/deployment.tftest.hcl"
QUIET = {**os.environ, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}

PROVIDERS = "google" if INITIALISED or not OFFLINE.is_file() else "schemas"

needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="TERRAFORM CHECKS NOTHING HERE: it is not installed")


def how_terraform_was_checked() -> str:
    """Say which providers the root is validated and planned with."""
    if TERRAFORM is None:
        return "not installed, so nothing was validated or planned"
    if PROVIDERS == "schemas":
        return f"validated and planned with the schemas of Google's provider, by {OFFLINE}"
    return "validated and planned with Google's provider" + (
        "" if INITIALISED else ", if the registry could be reached"
    )


@needs_terraform
def test_the_files_are_formatted() -> None:
    assert _output([str(TERRAFORM), f"-chdir={INFRA}", "fmt", "-check", "-recursive"]) == ""


@needs_terraform
@pytest.mark.parametrize("providers", [PROVIDERS])
def test_the_root_is_valid_and_its_plans_are_as_expected(providers: str) -> None:
    output = _checked_with_schemas() if providers == "schemas" else _checked_with_providers()

    assert "Success! The configuration is valid" in output
    assert output.count("... pass") == 1 + (INFRA / PLANS).read_text().count("\nrun ")
    assert " 0 failed" in output


def _checked_with_schemas() -> str:
    return _output([str(OFFLINE), str(INFRA), f"-filter={PLANS}"])


def _checked_with_providers() -> str:
    terraform = [str(TERRAFORM), f"-chdir={INFRA}"]
    if not INITIALISED:
        begun = _output([*terraform, "init", "-backend=false", "-input=false", "-no-color"])
        if "successfully initialized" not in begun:
            pytest.skip(f"TERRAFORM VALIDATES AND PLANS NOTHING HERE: no registry, and there is no {OFFLINE}\n{begun}")
    return _output([*terraform, "validate", "-no-color"]) + _output(
        [*terraform, "test", "-no-color", f"-filter={PLANS}"]
    )


def _output(command: list[str]) -> str:
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=QUIET)  # noqa: S603 (fixed words)
    return process.stdout + (process.stderr if process.returncode else "")


def test_every_exception_of_the_policy_scanner_has_a_reason() -> None:
    exceptions = [line for line in (INFRA / ".checkov.yaml").read_text().splitlines() if "CKV" in line]

    assert exceptions
    assert [line for line in exceptions if not re.search(r"- CKV_GCP_\d+ # .{20,}", line)] == []
