"""Files of the product that the functions do not need: `sql/`, in the wheel or beside `functions/`; and the version."""

import tomllib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from spotkeeper.errors import RefusedRequestError

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = Path(__file__).parents[3]
SQL = next((folder for folder in (_PACKAGE / "sql", _CHECKOUT / "sql") if folder.is_dir()), _CHECKOUT / "sql")


def sql_files(kind: str, folder: Path = SQL) -> dict[str, str]:
    """Return the texts of all views, checks or tables by name; raises RefusedRequestError when there are none."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / kind).glob("*.*"))}
    if not texts:
        message = f"there is no file in {folder / kind}: install spotkeeper, or run it in a checkout"
        raise RefusedRequestError(message)
    return texts


def filled(text: str, *, dataset: str, now: str) -> str:
    """Return a view or a check with its placeholders filled, as Terraform fills them."""
    return text.replace("${dataset}", dataset).replace("${now}", now)


def version() -> str:
    """Return the version that is installed, or that of the checkout."""
    project = _CHECKOUT / "pyproject.toml"
    try:
        return installed_version("spotkeeper")
    except PackageNotFoundError:
        number = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
        return f"{number} (checkout {_CHECKOUT})"
