"""What the documents refer to, and which of these references lead nowhere."""

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from spotkeeper.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
DOCUMENTS: Sequence[Path] = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))

CREATED = {
    "infra/.terraform/environment": "the workspace of a deployment from before infra/root",
    "infra/backend.tf": "the state bucket of a deployment from before infra/root",
    "infra/terraform.tfstate": "the state of a deployment from before infra/root",
    "infra/terraform.tfstate.d": "the workspaces of a deployment from before infra/root",
    "infra/terraform.tfvars": "the settings of a deployment from before infra/root",
    "infra/root/backend.tf": "the operator's own state bucket",
    "infra/root/terraform.tfstate": "Terraform's state",
    "infra/root/terraform.tfvars": "the operator's settings",
    "infra/root/.terraform.lock.hcl": "hashes of the Terraform providers",
}
"""Paths that are no part of a checkout, and what they are; what a command or test writes is below .local and .venv."""

_FILE = re.compile(r"(?:[\w.*-]+/)*[\w*-][\w.*-]*\.(?:csv|hcl|html|in|json|md|png|py|sh|sql|tf|toml|tfvars|txt)")
_SKIPPED = {"__pycache__", ".git", ".hypothesis", ".local", ".terraform"}
_SKIPPED |= {".venv", ".venv-dbt", ".venv-focus", ".venv-scanners"}
_IN_CODE = re.compile(r"```[^\n]*\n.*?```|`[^`\n]+`", re.DOTALL)


def broken_references(document: Path, text: str) -> Iterator[str]:
    """Yield what a document names and the checkout does not have: links, paths, make targets, commands, modules."""
    yield from _links(document, text)
    code = "\n".join(part.strip("`") for part in _IN_CODE.findall(text))
    yield from _paths(text)
    yield from _make_targets(code)
    yield from _commands(code)
    yield from _modules(code)


@cache
def files() -> frozenset[str]:
    """Return every file of the checkout, relative to its root, without what tools and runs create."""
    found = set[str]()
    for folder, folders, names in ROOT.walk():
        folders[:] = [name for name in folders if name not in _SKIPPED and not name.endswith("_cache")]
        found |= {str((folder / name).relative_to(ROOT)) for name in names}
    return frozenset(found)


@cache
def folders() -> frozenset[str]:
    """Return every folder that has a file in it or below, relative to the root."""
    return frozenset(str(parent) for name in files() for parent in Path(name).parents) - {"."}


def _links(document: Path, text: str) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        linked = (document.parent / path).resolve() if path else document
        if not linked.exists():
            yield f"link {target}: no such file"
        elif anchor and anchor not in _anchors(text if linked == document else linked.read_text(encoding="utf-8")):
            yield f"link {target}: no such heading"


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _paths(text: str) -> Iterator[str]:
    """A path from the root, from a package (`gcp/enforcer.py`), or a bare file name; NAME and * match anything."""
    for name in sorted({part.strip("`").rstrip("/") for part in re.findall(r"`[^`\s]+`", text)}):
        if name in CREATED or name.startswith((".local", ".venv")) or not _is_path(name):
            continue
        pattern = re.compile(rf"(?:.*/)?{re.sub(r'\\\*|[A-Z][A-Z_]+', '[^/]+', re.escape(name))}")
        if not any(pattern.fullmatch(path) for path in files() | folders()):
            yield f"path {name}: no such file or folder"


def _is_path(name: str) -> bool:
    """Whether something in code style is a path of this project and no value such as `us-central1/n2` or an address."""
    first, slash, _ = name.partition("/")
    return bool(_FILE.fullmatch(name)) if not slash else (ROOT / first).is_dir() or bool(_FILE.fullmatch(name))


def _make_targets(code: str) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    variables = set(re.findall(r"\$\((?:if \$\()?([A-Z_]+)\)", makefile)) | {"UNAUDITED", "CONFIRM"}
    for target, assigned in re.findall(r"(?:^|[\s;&])make ([a-z][a-z-]*)((?: +[A-Z_]+=)?)", code, re.MULTILINE):
        if target not in targets:
            yield f"make {target}: no such target"
        if assigned and assigned.strip(" =") not in variables:
            yield f"make {target}{assigned}: no such variable"
    for bench in re.findall(r"make bench ONLY=(\w+)", code):
        if f"tests/bench/{bench}.py" not in files():
            yield f"make bench ONLY={bench}: no such benchmark"


def _commands(code: str) -> Iterator[str]:
    lines = code.replace("\\\n", " ")
    for name, rest in re.findall(r"(?:^|\$ |-m |bin/)spotkeeper ([a-z][a-z-]*)([^\n|>#]*)", lines, re.MULTILINE):
        if name not in command_parsers():
            yield f"spotkeeper {name}: no such command"
            continue
        known = command_parsers()[name].format_help()
        unknown = [option for option in re.findall(r"(?<= )--[a-z-]+", rest) if not re.search(rf"{option}\b", known)]
        yield from (f"spotkeeper {name} {option}: no such option" for option in unknown)
        # A command that is named alone is no command line; values may be placeholders, such as PLAN.
        if rest.strip() and not unknown and (refusal := _refusal(name, rest)):
            yield f"spotkeeper {name}: {refusal}"


def _refusal(name: str, rest: str) -> str | None:
    """Return what a command line lacks, or has too much; None if its arguments are complete."""
    printed = io.StringIO()
    with contextlib.redirect_stderr(printed), contextlib.suppress(SystemExit):
        command_parsers()[name].parse_args(shlex.split(rest))
    found = re.search(r"(?:the following arguments are required|unrecognized arguments): .*", printed.getvalue())
    return found[0] if found else None


@cache
def command_parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command of the command line by its name."""
    subparsers = argparse.ArgumentParser().add_subparsers()
    for command in COMMANDS:
        command.add_to(subparsers)
    return dict(subparsers.choices)


def _modules(code: str) -> Iterator[str]:
    for module in re.findall(r"-m ((?:infra|tests|dashboards)[\w.]*)", code):
        path = module.replace(".", "/")
        if not {f"{path}.py", f"{path}/__main__.py"} & files():
            yield f"python -m {module}: no such module"
