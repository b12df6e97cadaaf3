"""Which names a trial takes for projects."""

import pytest

from infra.local.trial.projects import named


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("my-project-1", ("my-project-1",)),
        (" my-project-1, other-project ,my-project-1,", ("my-project-1", "other-project")),
        (
            "folders/123,organizations/45",
            ("folders/123", "organizations/45"),
        ),
    ],
)
def test_projects_folders_and_organizations_are_named_with_commas(text: str, names: tuple[str, ...]) -> None:
    assert named(text) == names


@pytest.mark.parametrize("text", ["", " , ", "folders/", "folders/abc", "My Project", "projects/my-project-1"])
def test_another_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="project"):
        named(text)
