"""The Python versions that set-up accepts, against those that the locked packages accept."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
LOCKS = ("functions/requirements.txt", "requirements/demo.txt", "requirements/development.txt")
_LINE = re.compile(r"^([a-z0-9][^=\s]*==[^\\\n]+)", re.MULTILINE)


def forbidding(lock: str, version: str) -> list[str]:
    """Return the packages of a lock whose metadata forbid a version of Python."""
    locked = [Requirement(line.strip()) for line in _LINE.findall((ROOT / lock).read_text(encoding="utf-8"))]
    needed = [each for each in locked if each.marker is None or each.marker.evaluate()]
    assert needed
    found = {each.name: distribution(each.name) for each in needed}
    assert [each.name for each in needed if found[each.name].version not in each.specifier] == []
    required = {name: each.metadata.get("Requires-Python") or "" for name, each in found.items()}
    return [f"{name} {needs}" for name, needs in required.items() if not SpecifierSet(needs).contains(version)]


@pytest.mark.parametrize("version", ["3.13.0", "3.14.0"])
@pytest.mark.parametrize("lock", LOCKS)
def test_no_locked_package_forbids_a_version_that_set_up_accepts(lock: str, version: str) -> None:
    assert forbidding(lock, version) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_version_that_packages_forbid_is_found(lock: str) -> None:
    assert "google-cloud-bigquery >=3.10" in forbidding(lock, "3.9.0")
