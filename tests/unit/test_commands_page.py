"""docs/commands.md has every command, each with its options, its rights and an example."""

import argparse
import re
from pathlib import Path

import pytest

from spotkeeper.cli.checkout import sql_files
from spotkeeper.cli.main import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}


def described() -> dict[str, argparse.ArgumentParser]:
    """Return the commands by name."""
    subparsers = argparse.ArgumentParser().add_subparsers()
    for command in COMMANDS:
        command.add_to(subparsers)
    found: dict[str, argparse.ArgumentParser] = dict(subparsers.choices)
    return found


def test_the_page_has_the_commands_that_there_are_in_their_order() -> None:
    listed = re.findall(r"^\| \[`([a-z-]+)`\]\(#([a-z-]+)\) \|", PAGE, re.MULTILINE)

    assert list(SECTIONS) == list(described())
    assert listed == [(name, name) for name in described()]


@pytest.mark.parametrize("name", described())
def test_a_section_names_every_option_the_rights_and_shows_an_example(name: str) -> None:
    options = [option for option in described()[name]._option_string_actions if option.startswith("--")]  # noqa: SLF001 (argparse has no public list)

    assert [option for option in options if option != "--help" and option not in SECTIONS[name]] == []
    assert "Rights: " in SECTIONS[name]
    assert f"$ .venv/bin/python -m spotkeeper {name} " in SECTIONS[name]


def test_an_example_does_not_promise_checks_or_tables_that_there_are_not() -> None:
    assert f"\n{len(sql_files('checks'))} checks, all passed\n" in SECTIONS["check"]
