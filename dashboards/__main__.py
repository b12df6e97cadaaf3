"""`python -m dashboards` writes files for BI tools: Grafana and Looker Studio from panels.json, dbt from sql/."""

import sys
from pathlib import Path

from dashboards.dbt import sources
from dashboards.grafana import dashboard
from dashboards.looker_studio import link, recipe
from dashboards.panels import groups

ROOT = Path(__file__).parents[1]


def made() -> dict[Path, str]:
    """Return every file that is made from the definition, with what it should hold."""
    defined = groups()
    return {
        ROOT / "dashboards" / "grafana.json": dashboard(defined),
        ROOT / "docs" / "looker-studio.md": recipe(defined),
        ROOT / "dashboards" / "looker-studio.tftpl": link(defined),
        ROOT / "dbt" / "models" / "sources.yml": sources(),
    }


def main() -> None:
    """Write the files and name them."""
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
