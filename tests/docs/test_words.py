"""Names, texts and documents use the field's terms: some words have a better one, and are found nowhere."""

import re
from collections.abc import Iterator

import pytest

from tests.docs.references import ROOT, files

TERMS = {
    r"at rest": "stopped or terminated",
    r"awake": "not stopped",
    r"catalogues?": "catalog",
    r"clockwork|crew|rosters?": "deadline, executor, inventory",
    r"decoys?": "ignored SKUs",
    r"for want of": "no SKU for",
    r"in hand": "pending, already requested",
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"patience|patient": "timeout, deadline",
    r"sign of life": "heartbeat",
    r"taken back": "preempted",
    r"told": "logged, response, notified, described: what is meant",
    r"unsaid": "undone, overridden",
}
"""Patterns of lowercase words, between which an underscore, a hyphen or a line break counts as a space."""

FORMER_SETTING = "CALL_PATIENCE_SECONDS"
_TEXTS = {".hcl", ".html", ".in", ".json", ".md", ".py", ".sh", ".sql", ".tf", ".toml", ".tfvars", ""}
_NOT_OURS = {"LICENSE", "dashboards/grafana.json", "tests/docs/test_words.py"}
_PATTERN = re.compile(rf"(?<![a-z])(?:{'|'.join(TERMS)})(?![a-z])")


def found_in(text: str) -> Iterator[str]:
    """Yield the words of a text that have a better term."""
    words = re.sub(r"[\s_\-]+(?:#|--)?\s*", " ", text.replace(FORMER_SETTING, "")).lower()
    return (match[0] for match in _PATTERN.finditer(words))


@pytest.mark.parametrize(
    "text",
    [
        "what a guest was told",
        "def _told_with_schemas() -> str:",
        "IN_HAND = 1",
        "a VM that was taken\n  -- back",
        "the price catalogue",
    ],
)
def test_a_word_with_a_better_term_is_found_however_it_is_written(text: str) -> None:
    assert len(list(found_in(text))) == 1


@pytest.mark.parametrize("text", ["a catalog", "untold", "amended", "the handle", "CALL_PATIENCE_SECONDS was renamed"])
def test_other_words_are_left_alone(text: str) -> None:
    assert list(found_in(text)) == []


def test_no_file_uses_a_word_that_has_a_better_term() -> None:
    texts = {
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in sorted(files() - _NOT_OURS)
        if (ROOT / name).suffix in _TEXTS and (ROOT / name).is_file()
    }

    assert len(texts) > 300
    assert {name: found for name, text in texts.items() if (found := sorted(set(found_in(text))))} == {}
