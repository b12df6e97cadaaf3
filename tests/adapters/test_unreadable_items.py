"""A list of which some items cannot be read: without them, or refused as a whole."""

import pytest

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.http_calls import MAX_UNREADABLE, parse_each


def halves(number: int) -> float:
    if number < 0:
        message = f"{number} is refused"
        raise UnavailableError(message)
    return number / 2


def test_an_item_that_cannot_be_read_hides_no_other() -> None:
    refused: list[str] = []

    assert list(parse_each([2, 4, -1, 6], halves, refused.append)) == [1, 2, 3]
    assert refused == ["-1 is refused"]


def test_a_list_of_which_nothing_can_be_read_is_refused_as_a_whole() -> None:
    refused: list[str] = []

    with pytest.raises(UnavailableError, match="-21 is refused"):
        list(parse_each(range(-1, -50, -1), halves, refused.append))

    assert len(refused) == MAX_UNREADABLE


def some(good: int, bad: int) -> list[int]:
    return [*range(-1, -bad - 1, -1), *range(good)]


@pytest.mark.parametrize(("good", "bad"), [(0, 1), (18, 2)])
def test_a_single_item_or_a_tenth_that_cannot_be_read_is_left_out(good: int, bad: int) -> None:
    refused: list[str] = []

    assert len(list(parse_each(some(good, bad), halves, refused.append))) == good

    assert len(refused) == bad


@pytest.mark.parametrize(("good", "bad"), [(0, 2), (17, 2)])
def test_a_list_of_which_more_than_a_tenth_cannot_be_read_is_refused_as_a_whole(good: int, bad: int) -> None:
    refused: list[str] = []

    with pytest.raises(UnavailableError, match=f"-{bad} is refused"):
        list(parse_each(some(good, bad), halves, refused.append))

    assert len(refused) == bad
