"""Build the wheel of the command line: the package, and the SQL files that its commands read.

A build backend by PEP 517 of the standard library alone, so that `pip install .`, `pipx install .` and
`uv tool install .` download no build tool; `sql/` is outside the package, where the common backends do not look.
https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

import base64
import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ROOT = Path(__file__).parents[2]
FOLDERS: Mapping[str, str] = {"functions/spotkeeper": "spotkeeper", "sql": "spotkeeper/sql"}
"""What is packed, and where in the wheel."""

_TAG = "py3-none-any"
_OLDEST = (1980, 1, 1, 0, 0, 0)
"""The time of every file: the same files make the same wheel."""


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None) -> str:
    """Write the wheel into a folder and return its name."""
    del config_settings, metadata_directory
    project = _project()
    name = f"{project['name']}-{project['version']}"
    information = f"{name}.dist-info"
    contents = dict(_packed_files())
    contents[f"{information}/METADATA"] = _metadata(project).encode()
    contents[f"{information}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: {project['name']}\nRoot-Is-Purelib: true\nTag: {_TAG}\n".encode()
    )
    contents[f"{information}/entry_points.txt"] = _entry_points(project).encode()
    contents[f"{information}/RECORD"] = _record(contents, information).encode()
    file_name = f"{name}-{_TAG}.whl"
    with ZipFile(Path(wheel_directory) / file_name, "w", ZIP_DEFLATED) as wheel:
        for path, content in contents.items():
            wheel.writestr(_entry(path), content)
    return file_name


class UnsupportedOperation(Exception):  # noqa: N818 (the name that PEP 517 gives it)
    """What a build frontend expects of a backend that does not build something."""


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:
    """Refuse: the repository is the source."""
    del sdist_directory, config_settings
    message = "spotkeeper is built from its repository: pip wheel . makes the wheel"
    raise UnsupportedOperation(message)


def _project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project: dict[str, Any] = tomllib.load(file)["project"]
    return project


def _packed_files() -> Iterator[tuple[str, bytes]]:
    for source, target in FOLDERS.items():
        for path in sorted((ROOT / source).rglob("*")):
            relative = path.relative_to(ROOT / source)
            if path.is_file() and "__pycache__" not in relative.parts and not relative.name.startswith("."):
                yield f"{target}/{relative.as_posix()}", path.read_bytes()


def _metadata(project: Mapping[str, Any]) -> str:
    fields = [
        ("Metadata-Version", "2.1"),
        ("Name", project["name"]),
        ("Version", project["version"]),
        ("Summary", project["description"]),
        ("Requires-Python", project["requires-python"]),
        *(("Requires-Dist", requirement) for requirement in project["dependencies"]),
    ]
    return "".join(f"{name}: {value}\n" for name, value in fields)


def _entry_points(project: Mapping[str, Any]) -> str:
    scripts = (f"{name} = {target}\n" for name, target in project["scripts"].items())
    return f"[console_scripts]\n{''.join(scripts)}"


def _record(contents: Mapping[str, bytes], information: str) -> str:
    """Each file with its SHA-256 and size; the record itself has neither."""
    lines = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in contents.items()]
    return "\n".join([*lines, f"{information}/RECORD,,", ""])


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _entry(path: str) -> ZipInfo:
    entry = ZipInfo(path, _OLDEST)
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    return entry
