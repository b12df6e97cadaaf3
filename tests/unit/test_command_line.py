"""`python -m spotkeeper` as a shell starts it, from any folder."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spotkeeper.cli.main import COMMANDS, main
from tests.unit.saved_catalogs import saved, whole

ROOT = Path(__file__).parents[2]
WITHOUT_PATH = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (commands of these tests)
        ["/bin/bash", "-c", command],
        cwd=folder,
        env=WITHOUT_PATH | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_list_that_is_cut_short_by_its_reader_ends_quietly_in_any_folder(tmp_path: Path) -> None:
    saved(tmp_path / "catalog.json", whole())

    ended = shell(
        '"$PYTHON" -m spotkeeper price --all --catalog catalog.json | head -2; echo "${PIPESTATUS[0]}"', tmp_path
    )

    lines = ended.stdout.splitlines()
    assert lines[0].startswith("machine_type,region,")
    assert (len(lines), lines[-1], ended.stderr) == (3, "0", "")


def test_an_error_is_one_sentence_and_no_traceback(tmp_path: Path) -> None:
    ended = shell('"$PYTHON" -m spotkeeper catalog-check --catalog none.json', tmp_path)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "spotkeeper: none.json: No such file or directory\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])

    listed = capsys.readouterr().out
    names = [command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS]  # type: ignore[attr-defined]
    assert stop.value.code == 0
    assert [name for name in names if f"    {name} " not in listed] == []


def test_without_arguments_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("usage: spotkeeper")


def test_in_a_checkout_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])

    number = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert (stop.value.code, capsys.readouterr().out) == (0, f"spotkeeper {number} (checkout {ROOT})\n")


@pytest.mark.parametrize("arguments", [["pirce"], ["price", "--nothing"]])
def test_what_is_no_command_is_argparse_s_matter(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)

    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("usage: spotkeeper")


@pytest.mark.parametrize("command", ["check", "doctor", "report"])
def test_without_a_project_one_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delenv("PROJECT_ID", raising=False)

    assert main([command]) == 2
    assert capsys.readouterr().err.startswith("spotkeeper: --project is missing")


@pytest.mark.parametrize(
    ("command", "argument", "value", "said"),
    [
        ("check", "--at", "yesterday", "--at"),
        ("doctor", "--at", "now", "--at"),
        ("doctor", "--region", "us_central", "'us_central' is not a region such as us-central1"),
        ("report", "--days", "0", "'0' is not a number of days from 1 to 400"),
        ("plan", "--cost", "-1", "'-1' is below 0: a spend is not"),
        ("plan", "--budget", "0", "'0' is not above 0, as a budget is"),
        ("plan", "--cost", "much", "'much' is not an amount such as 1200 or 99.50"),
        ("drill", "--cost", "1e400", "'1e400' is not an amount such as 1200 or 99.50"),
        ("plan", "--region", "us_central", "'us_central' is not a region such as us-central1"),
        ("drill", "--wait", "0", "'0' is not a number of seconds from 1 to 3600"),
        ("top", "--limit", "1001", "'1001' is not a number from 1 to 1000"),
        ("status", "--format", "xml", "invalid choice: 'xml'"),
        ("report", "--days", "week", "'week' is not a number of days from 1 to 400"),
    ],
)
def test_a_wrong_argument_is_refused(
    capsys: pytest.CaptureFixture[str], command: str, argument: str, value: str, said: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--project", "p", argument, value])

    assert stop.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "drill"])
def test_without_a_policy_the_project_of_the_function_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for name in ("PROJECT_ID", "ENFORCEMENT_POLICY", "BUDGET_TOPIC"):
        monkeypatch.delenv(name, raising=False)

    assert main([command, "--cost", "1", "--budget", "1"]) == 2
    assert capsys.readouterr().err.startswith("spotkeeper: --project is missing")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "none/report.html"], "--output none/report.html: none is not a folder that you may write to"),
        (["--output", "."], "--output .: it is a folder"),
        (["--csv", "file"], "--csv file: it is a file, but a folder is written"),
    ],
)
def test_a_report_that_could_not_be_written_is_refused_before_anything_is_read(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("BIGQUERY_ENDPOINT", "http://127.0.0.1:9")

    assert main(["report", "--project", "some-project", *options]) == 2
    assert capsys.readouterr().err == f"spotkeeper: {message}\n"
