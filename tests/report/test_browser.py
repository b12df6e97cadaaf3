"""The page in a real browser: it fits, sorts, can be read, and asks nobody for anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.report.browsers import needs_chromium, opened, running_browser

pytestmark = needs_chromium

LEAST_CONTRAST = {"normal": 4.5, "large": 3.0}
"""https://www.w3.org/TR/WCAG22/#contrast-minimum"""

POOR_CONTRAST = """(limits) => {
  const numbers = (colour) => {
    const found = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1 };
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((each) => {
      const share = each / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const fieldUnder = (text) => {
    const box = text.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const shapes = [...text.ownerSVGElement.querySelectorAll("path")].filter((shape) => {
      const room = shape.getBoundingClientRect();
      const fill = getComputedStyle(shape).fill;
      return fill !== "none" && room.left <= x && x <= room.right && room.top <= y && y <= room.bottom;
    });
    return shapes.length ? getComputedStyle(shapes.at(-1)).fill : null;
  };
  const ground = (element) => {
    if (element instanceof SVGTextElement) {
      const field = fieldUnder(element);
      if (field) return numbers(field).rgb;
    }
    for (let each = element; each; each = each.parentElement) {
      const found = numbers(getComputedStyle(each).backgroundColor);
      if (found.alpha === 1) return found.rgb;
    }
    return [255, 255, 255];
  };
  const poor = [];
  let seen = 0;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const ink = numbers(element instanceof SVGTextElement ? style.fill : style.color).rgb;
    const [high, low] = [light(ink), light(ground(element))].sort((left, right) => right - left);
    const contrast = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    seen += 1;
    if (contrast < limits[isLarge ? "large" : "normal"]) {
      poor.push(`${element.tagName} ${element.textContent.trim().slice(0, 30)} ${contrast.toFixed(2)}`);
    }
  }
  return [seen, [...new Set(poor)]];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


def column(window: Page, table: str, key: str) -> list[str]:
    """What a column of a table shows from top to bottom, without what is below the rows."""
    found: list[str] = window.evaluate(
        """([table, key]) => {
          const found = document.getElementById(`table-${table}`);
          const index = [...found.tHead.rows[0].cells].findIndex((cell) => cell.dataset.key === key);
          return [...found.tBodies[0].rows].map((row) => row.cells[index].innerText.split("\\n")[0]);
        }""",
        [table, key],
    )
    return found


def test_a_table_is_sorted_by_click_and_by_keyboard_and_its_sum_stays_below(browser: Browser, usual_page: Path) -> None:
    with opened(browser, usual_page) as window:
        heading = window.locator("#table-teams th[data-key=cost]")
        heading.locator("button").click()
        falling = heading.get_attribute("aria-sort"), column(window, "teams", "team")
        heading.locator("button").click()
        rising = heading.get_attribute("aria-sort"), column(window, "teams", "team")
        window.locator("#table-teams th[data-key=team] button").focus()
        window.keyboard.press("Enter")
        by_name = column(window, "teams", "team")
        window.keyboard.press("Space")
        by_name_falling = column(window, "teams", "team")
        left = heading.get_attribute("aria-sort")
        below = window.locator("#table-teams tfoot").inner_text()

    assert falling == ("descending", ["vision", "search", "(unlabelled)"])
    assert rising == ("ascending", ["(unlabelled)", "search", "vision"])
    assert by_name == ["(unlabelled)", "search", "vision"]
    assert by_name_falling == ["vision", "search", "(unlabelled)"]
    assert left is None
    assert below.split() == ["all", "$540.00", "100.0", "%", "$1,620.00", "2,160.0", "100.0", "%"]


def test_numbers_are_sorted_as_numbers_and_what_is_unknown_comes_last(browser: Browser, usual_page: Path) -> None:
    with opened(browser, usual_page) as window:
        button = window.locator("#table-prices th[data-key=monthly_cost_change] button")
        button.click()
        falling = column(window, "prices", "monthly_cost_change")
        button.click()
        rising = column(window, "prices", "monthly_cost_change")

    assert falling == ["+$12.50", "\N{MINUS SIGN}$4.25", "\N{EN DASH}"]
    assert rising == ["\N{MINUS SIGN}$4.25", "+$12.50", "\N{EN DASH}"]


def test_nothing_is_wider_than_a_phone(browser: Browser, hostile_page: Path) -> None:
    width = 360
    with opened(browser, hostile_page, width) as window:
        window.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found, beyond = window.evaluate(
            """() => [document.documentElement.scrollWidth, [...document.querySelectorAll("h1,h2,p,li,figure,svg")]
              .filter((each) => !each.closest(".scroll, .contents") && each.checkVisibility()
                && each.getBoundingClientRect().right > innerWidth + 1)
              .map((each) => each.outerHTML.slice(0, 80))]"""
        )
        pictures = window.evaluate(
            "() => [...document.querySelectorAll('figure svg[role=img]')].filter((svg) => svg.checkVisibility()).length"
        )

    assert found == width
    assert beyond == []
    assert pictures == 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser: Browser, usual_page: Path, scheme: str) -> None:
    with opened(browser, usual_page, scheme=scheme) as window:
        window.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        seen, poor = window.evaluate(POOR_CONTRAST, LEAST_CONTRAST)

    assert poor == []
    assert seen > 500


def test_the_button_changes_between_light_and_dark(browser: Browser, usual_page: Path) -> None:
    grounds = []
    with opened(browser, usual_page) as window:
        for _ in range(3):
            grounds.append(window.evaluate("() => getComputedStyle(document.body).backgroundColor"))
            window.locator("#theme").click()

    assert grounds[0] == grounds[2] != grounds[1]


def test_in_print_all_is_unfolded_and_light_and_no_table_is_cut_off(browser: Browser, usual_page: Path) -> None:
    a_page_of_a4 = 703
    with opened(browser, usual_page, a_page_of_a4, "dark") as window:
        printed = window.pdf(format="A4")
        window.emulate_media(media="print")
        window.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        folded, cut, ground, hidden = window.evaluate(
            """() => [
              document.querySelectorAll("details:not([open])").length,
              [...document.querySelectorAll("table")]
                .filter((each) => each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.id),
              getComputedStyle(document.body).backgroundColor,
              ["#theme", ".contents"].every((each) => !document.querySelector(each).checkVisibility()),
            ]"""
        )
        window.evaluate("() => dispatchEvent(new Event('afterprint'))")
        folded_again = window.locator("details:not([open])").count()

    assert printed.startswith(b"%PDF")
    assert (folded, cut, ground, hidden) == (0, [], "rgb(255, 255, 255)", True)
    assert folded_again > 0
