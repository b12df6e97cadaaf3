"""docs/commands.md has every command with its options, defaults, exit codes, rights and an example."""

import argparse
import re
import shlex

import pytest

from spotkeeper.cli import advise, advise_mix, catalog_check, check, costs, doctor, planned_vms, quotes, status
from spotkeeper.cli.main import COMMANDS
from spotkeeper.cli.product_files import sql_files
from tests.docs.references import ROOT

PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
PROSE = {name: section.partition("```")[0] + section.rpartition("```")[2] for name, section in SECTIONS.items()}
NO_DEFAULT = {None, False}


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> dict[str, argparse.ArgumentParser]:
    """The parsers by command, without defaults from the environment."""
    for name in ("PROJECT_ID", "DATASET", "BUDGET_TOPIC"):
        monkeypatch.delenv(name, raising=False)
    subparsers = argparse.ArgumentParser().add_subparsers()
    return {parser.prog.split()[-1]: parser for parser in (command.add_to(subparsers) for command in COMMANDS)}


def options(parser: argparse.ArgumentParser) -> dict[str, object]:
    """Return the default of each option."""
    return {
        option: action.default
        for action in parser._actions  # noqa: SLF001 (argparse has no public list)
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }


def test_the_page_has_the_commands_in_their_order(parsers: dict[str, argparse.ArgumentParser]) -> None:
    listed = re.findall(r"^\| \[`([a-z-]+)`\]\(#([a-z-]+)\) \|", PAGE, re.MULTILINE)

    assert list(SECTIONS) == list(parsers)
    assert listed == [(name, name) for name in parsers]


def test_every_section_names_all_options_and_no_other(parsers: dict[str, argparse.ArgumentParser]) -> None:
    own = {name: set(re.findall(r"`(--[a-z-]+)", prose)) for name, prose in PROSE.items()}

    assert own == {name: set(options(parser)) for name, parser in parsers.items()}


def test_every_default_of_an_option_is_that_of_the_parser(parsers: dict[str, argparse.ArgumentParser]) -> None:
    page = {name: dict(re.findall(r"`(--[a-z-]+)[^`]*`\s\(default\s`([^`]+)`", prose)) for name, prose in PROSE.items()}
    report = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    code = {
        name: {option: str(value) for option, value in options(parser).items() if value not in NO_DEFAULT}
        for name, parser in parsers.items()
    }

    assert page == code
    assert dict(re.findall(r"`(--[a-z-]+)[^`]*`\s\(default\s`([^`]+)`", report)) == code["report"]


def test_exit_code_1_is_described_where_the_help_describes_it(parsers: dict[str, argparse.ArgumentParser]) -> None:
    page = {name for name, prose in PROSE.items() if "Exit code 1: " in prose}
    helped = {
        name
        for name, parser in parsers.items()
        if re.search(r"Exit code (?:0: [^;]+; )?1: ", " ".join((parser.description or "").split()))
    }

    assert (
        page
        == helped
        == {"status", "price", "catalog-check", "drill", "approve", "undo", "thaw", "check", "doctor", "work"}
    )


def test_every_section_has_the_rights_and_an_example() -> None:
    assert [name for name, section in SECTIONS.items() if "Rights: " not in section] == []
    assert [name for name, section in SECTIONS.items() if f"$ spotkeeper {name} " not in section] == []


def test_the_example_of_check_has_the_number_of_checks() -> None:
    assert f"\n{len(sql_files('checks'))} checks, all passed\n" in SECTIONS["check"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("status", status.RECORD_FIELDS),
        ("costs", costs.FIELDS),
        ("advise", advise.FIELDS),
        ("advise", advise_mix.MIX_FIELDS),
        ("plan", planned_vms.FIELDS),
        ("doctor", doctor.FIELDS),
        ("check", check.FIELDS),
        ("price", quotes.QUOTE_FIELDS),
        ("catalog-check", catalog_check.FIELDS),
    ],
)
def test_the_fields_for_programs_are_listed_in_their_order(name: str, fields: tuple[str, ...]) -> None:
    listed = r"[^`]*".join(f"`{field}`" for field in fields)

    assert re.search(listed, PROSE[name])


def test_every_example_of_a_help_is_a_command_line_that_it_takes(parsers: dict[str, argparse.ArgumentParser]) -> None:
    for name, parser in parsers.items():
        examples = re.findall(rf"^  spotkeeper {name}(.*)$", parser.epilog or "", re.MULTILINE)
        assert examples, name
        for example in examples:
            parser.parse_args(shlex.split(example.partition(" > ")[0]))
