"""Whatever the documents name exists."""

from tests.docs.references import DOCUMENTS, ROOT, broken_references

WRONG = """
[a page](docs/none.md), [a heading](README.md#none) and `functions/spotkeeper/none.py`, `gcp/none.sql`, `none.csv`,
`sql/tables/*.none`, `.ci/none.sh`, `make none`, `.venv/bin/python -m tests.none`

```sh
make run NONE=1
make bench ONLY=none
.venv/bin/python -m spotkeeper none
.venv/bin/python -m spotkeeper doctor --none
spotkeeper drill --project PROJECT
spotkeeper undo MESSAGE MESSAGE
```
"""
RIGHT = """
[a page](docs/faults.md#the-matrix), `functions/spotkeeper/errors.py`, `gcp/enforcer.py`, `sql/views/`, `.ci/run`,
`sql/tables/TABLE.json`, `infra/*.tf`, `us-central1/n2-standard-8`, `.local/report.html`, `make run DRY_RUN=1 KEEP=1`,
`.venv/bin/python -m tests.bench`, `.venv/bin/python -m spotkeeper price n2-standard-8 --region us-central1`,
`spotkeeper approve PLAN`, `spotkeeper drill`
"""


def test_every_link_path_make_target_and_command_that_a_document_names_exists() -> None:
    broken = {
        str(document.relative_to(ROOT)): list(broken_references(document, document.read_text(encoding="utf-8")))
        for document in DOCUMENTS
    }

    assert {name: references for name, references in broken.items() if references} == {}


def test_a_broken_reference_of_each_kind_is_listed() -> None:
    assert list(broken_references(ROOT / "README.md", WRONG)) == [
        "link docs/none.md: no such file",
        "link README.md#none: no such heading",
        "path .ci/none.sh: no such file or folder",
        "path functions/spotkeeper/none.py: no such file or folder",
        "path gcp/none.sql: no such file or folder",
        "path none.csv: no such file or folder",
        "path sql/tables/*.none: no such file or folder",
        "make none: no such target",
        "make run NONE=: no such variable",
        "make bench ONLY=none: no such benchmark",
        "spotkeeper none: no such command",
        "spotkeeper doctor --none: no such option",
        "spotkeeper drill: the following arguments are required: --cost, --budget",
        "spotkeeper undo: unrecognized arguments: MESSAGE",
        "python -m tests.none: no such module",
    ]


def test_a_reference_that_holds_is_not_listed() -> None:
    assert list(broken_references(ROOT / "README.md", RIGHT)) == []
