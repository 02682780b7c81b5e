"""The pages of `report` in a real browser, where there is one: at any width, light and dark.

Chromium comes from the system, such as `apt-get install chromium` has it; CI installs it.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chefgenius import report
from handmade import EVIL, sample_line, write_json_lines, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECTIONS = 9

# Every text that is seen: its contrast with what lies under it, by the formula of WCAG 2.
CONTRAST = """() => {
  const parse = color => {
    const n = color.match(/[\\d.]+/g).map(Number);
    return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1];
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode, element = text.parentElement;
    if (!text.data.trim() || !element.checkVisibility()) continue;
    let ground = element, color;
    do { color = parse(getComputedStyle(ground).backgroundColor); ground = ground.parentElement; }
    while (color[3] < 1 && ground);
    const a = light(parse(getComputedStyle(element).color)), b = light(color);
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text.data.trim().slice(0, 40)]);
  }
  return found;
}"""
CURVES = """() => [...document.querySelectorAll('svg path')].map(path => {
  const style = getComputedStyle(path);
  return [style.stroke, style.fill, path.getBBox().width + path.getBBox().height];
})"""
OVERFLOW = """() => [document.documentElement.scrollWidth, window.innerWidth,
  [...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll, pre, svg')
    && one.getBoundingClientRect().right > window.innerWidth + 0.5)
    .map(one => one.className || one.tagName)]"""
OVERLAP = """() => {
  const met = [];
  for (const axis of document.querySelectorAll('.across, .up')) {
    const boxes = [...axis.children].filter(one => one.checkVisibility({visibilityProperty: true}))
      .map(one => one.getBoundingClientRect());
    boxes.forEach((a, i) => boxes.slice(0, i).forEach(b => {
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
        met.push(axis.innerText);
    }));
  }
  return met;
}"""
BOXES = "[...document.querySelectorAll('.scroll')].map(one => [one.scrollWidth, one.clientWidth])"


@dataclass
class Seen:
    """A page that is open, and what the browser said and asked for meanwhile."""

    page: "Page"
    told: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    playwright = pytest.importorskip("playwright.sync_api", reason="without playwright no browser is driven")
    if CHROMIUM is None:
        pytest.skip("no chromium is installed here")
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run with much to show, which is not exact, one with nothing, and two compared."""
    folder = tmp_path_factory.mktemp("pages")
    long = "a-run-with-a-long-name-" + "x" * 60
    whole = write_run(folder / long, 2500, machine=EVIL, not_exact_since=900)
    write_json_lines(
        whole / "samples.jsonl",
        [sample_line(step, record) for step in range(0, 161, 20) for record in (1, 2)]
        + [sample_line(160, 3, "rice" * 200), sample_line(160, 4, EVIL)],
    )
    (folder / "bare" / "checkpoints").mkdir(parents=True)
    other = write_run(folder / "other", 60)
    assert [report.main([str(one)]) for one in (whole, folder / "bare")] == [0, 0]
    both = folder / "comparison.html"
    assert report.main([str(whole), str(other), "--out", str(both)]) == 0
    return {"whole": whole / "report.html", "bare": folder / "bare" / "report.html", "comparison": both}


def seen(browser: "Browser", path: Path) -> Seen:
    made = Seen(browser.new_page(viewport={"width": 1280, "height": 800}))
    made.page.on("console", lambda message: made.told.append(message.text))
    made.page.on("pageerror", lambda error: made.told.append(str(error)))
    made.page.on("dialog", lambda dialog: made.told.append(dialog.message))
    made.page.on("request", lambda request: made.asked.append(request.url))
    made.page.goto(path.as_uri())
    return made


@pytest.mark.parametrize("name", ["whole", "bare", "comparison"])
def test_a_page_is_readable_everywhere(browser: "Browser", pages: dict[str, Path], name: str) -> None:
    found = seen(browser, pages[name])
    page, curves = found.page, 0
    for dark, width in ((False, 1280), (True, 390), (False, 390), (True, 1280), (False, 320)):
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
        assert page.evaluate(OVERFLOW) == [width, width, []], "the page scrolls sideways"
        assert page.evaluate(OVERLAP) == []
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate(OVERFLOW)[0] == width
        texts = page.evaluate(CONTRAST)
        assert len(texts) >= (40 if name != "bare" else 15)
        pale = [one for one in texts if one[0] < 4.5]
        assert not pale, pale
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 150) == dark
        drawn = page.evaluate(CURVES)
        assert all(stroke != "none" or (fill != "none" and size > 0) for stroke, fill, size in drawn)
        curves += len(drawn)
    assert page.locator("section").count() == (SECTIONS if name != "comparison" else 5)
    assert found.told == []
    assert found.asked == [pages[name].as_uri()]
    assert curves >= (100 if name != "bare" else 0)
    page.close()


def test_what_is_long_scrolls_inside_its_own_box(browser: "Browser", pages: dict[str, Path]) -> None:
    page = seen(browser, pages["whole"]).page
    page.set_viewport_size({"width": 390, "height": 800})
    boxes = page.evaluate(BOXES)
    assert len(boxes) >= 6
    assert any(inner > outer for inner, outer in boxes)
    assert all(outer <= 390 for _, outer in boxes)
    page.emulate_media(reduced_motion="reduce")
    page.click("nav a[href='#samples']")
    assert page.evaluate("document.querySelector('#samples').getBoundingClientRect().top") < 100
    page.close()
