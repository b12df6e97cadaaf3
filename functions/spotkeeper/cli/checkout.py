"""Files of the checkout that are not deployed: `sql/`, beside `functions/`."""

from pathlib import Path

from spotkeeper.errors import RefusedRequestError

SQL = Path(__file__).parents[3] / "sql"


def sql_files(kind: str, folder: Path = SQL) -> dict[str, str]:
    """Return the texts of all views, checks or tables by name; raises RefusedRequestError when there are none."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((folder / kind).glob("*.*"))}
    if not texts:
        message = (
            f"there is no file in {folder / kind}: run this command in a checkout, where sql/ is beside functions/"
        )
        raise RefusedRequestError(message)
    return texts


def filled(text: str, *, dataset: str, now: str) -> str:
    """Return a view or a check with its placeholders filled, as Terraform fills them."""
    return text.replace("${dataset}", dataset).replace("${now}", now)
