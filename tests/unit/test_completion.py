"""The completion of a shell, as bash itself answers it."""

import subprocess
import sys
from pathlib import Path

import pytest

from spotkeeper.cli import completion
from spotkeeper.cli.main import COMMANDS, main

ASK = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
handler=$(complete -p spotkeeper | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$handler" spotkeeper "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", "bash"]) == 0
    path = tmp_path / "spotkeeper.bash"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    return path


def completed(script: Path, *words: str) -> list[str]:
    ended = subprocess.run(  # noqa: S603 (the words of these tests)
        ["/bin/bash", "--norc", "-c", ASK, "ask", str(script), "spotkeeper", *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert ended.stderr == ""
    return [word.strip() for word in ended.stdout.split()]


def test_bash_completes_the_names_of_all_commands(script: Path) -> None:
    names = {command.__name__.rpartition(".")[2].replace("_", "-") for command in COMMANDS}  # type: ignore[attr-defined]

    assert names <= set(completed(script, ""))
    assert completed(script, "stat") == ["status"]


def test_bash_completes_the_options_of_a_command_and_their_choices(script: Path) -> None:
    assert completed(script, "costs", "--pro") == ["--project"]
    assert completed(script, "costs", "--format", "j") == ["json"]


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_shell_has_a_script_of_every_command(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert [name for name in ("status", "rebuild-rollups", "catalog-check") if name not in script] == []


def test_without_shtab_the_package_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "shtab", raising=False)

    assert main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == (
        "spotkeeper: the completion needs shtab, not installed here: python -m pip install shtab\n"
    )
