"""The pages in a browser: they write no error, ask for nothing, and fit a laptop and a phone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(NAMES)}")

LAPTOP, PHONE = (1280, 900), (390, 844)
PAGES = {
    "vae": "vae_named_at_a_length_that_no_phone_can_show_in_one_line/report.html",
    "gan": "gan/report.html",
    "comparison": "comparison/comparison.html",
}

UNSEEN = """() => [...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt.trim())
    .map(i => i.outerHTML.slice(0, 80))"""

DANGLING = """() => [...document.querySelectorAll('a')].map(a => a.getAttribute('href') ?? '')
    .filter(to => !to.startsWith('#') || !document.getElementById(to.slice(1)))"""

# For each box that scrolls: whether it has more than it shows, and how far its end is out of reach.
SCROLLED = """() => [...document.querySelectorAll('.scroll')].map(box => {
    box.scrollLeft = box.scrollWidth;
    const ends = [...box.querySelectorAll('td, th')].map(cell => cell.getBoundingClientRect().right);
    const hidden = !['auto', 'scroll'].includes(getComputedStyle(box).overflowX);
    const more = box.scrollWidth > box.clientWidth;
    const beyond = Math.max(...ends) - box.getBoundingClientRect().right;
    box.scrollLeft = 0;
    return [more, hidden && more ? Infinity : beyond];
})"""

# Pairs of texts or pictures that share more than a pixel.
OVERLAPS = """() => {
    const kinds = 'h1, h2, p, td, th, figcaption, summary, img';
    const all = [...document.querySelectorAll(kinds)].map(element => {
        const range = document.createRange();
        element.tagName === 'IMG' ? range.selectNode(element) : range.selectNodeContents(element);
        return [element, range.getBoundingClientRect()];
    }).filter(([_, box]) => box.width && box.height);
    const found = [];
    all.forEach(([a, p], i) => all.slice(i + 1).forEach(([b, q]) => {
        const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (wide > 1 && high > 1) found.push([a, b].map(e => e.alt || e.textContent));
    }));
    return found;
}"""

# Contrast ratios as WCAG 2.2 defines them, of each text with the nearest opaque background.
CONTRASTS = """() => {
    const luminance = color => {
        const [r, g, b] = color.match(/[\\d.]+/g).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = element => {
        const color = getComputedStyle(element).backgroundColor;
        if (color.startsWith('rgb(')) return color;
        return element.parentElement ? ground(element.parentElement) : 'rgb(255, 255, 255)';
    };
    return [...document.querySelectorAll('main *')].filter(element =>
        [...element.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim())
    ).map(element => {
        const pair = [getComputedStyle(element).color, ground(element)].map(luminance);
        return [element.textContent, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
    });
}"""


@pytest.fixture(scope="module")
def written(processes, halves, tmp_path_factory):
    """A folder with a report of a VAE, one of a GAN, and a page that compares them: all judged in full."""
    folder = tmp_path_factory.mktemp("pages")
    runs = {PAGES["vae"].partition("/")[0]: ("vae", 0), "gan": ("gan", 0), "gan-1": ("gan", 1)}
    commands = [["compare", *runs, "--out", "comparison"]]
    for run, (recipe, seed) in runs.items():
        made = ["train", recipe, "--data", halves, "--out", run, "--steps", 8, "--seed", seed]
        judged = ["evaluate", run, "--draws", 60, "--images", 5]
        commands[-1:-1] = [[*made, "train.log_every=2"], judged]
    for command in commands:
        ended = processes.run(*command, folder=folder)
        assert ended.code == 0, ended.err
    return folder


@pytest.fixture(scope="module")
def browser():
    """The system's own; with no network."""
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=BROWSER)
        yield launched
        launched.close()


@dataclass
class Visit:
    """An open page with all that is folded unfolded, and what was heard since before it was opened."""

    page: Page
    name: str
    width: int
    height: int
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(
    scope="module",
    params=[(name, size) for name in PAGES for size in (LAPTOP, PHONE)],
    ids=lambda given: f"{given[0]}-{given[1][0]}",
)
def visit(request, written, browser):
    name, (width, height) = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height},
        is_mobile=(width, height) == PHONE,
        offline=True,
    )
    made = Visit(context.new_page(), name, width, height)
    made.page.on(
        "console", lambda said: made.complaints.append(said.text) if said.type != "log" else None
    )
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("request", lambda asked: made.requests.append(asked.url))
    made.page.on("requestfailed", lambda asked: made.complaints.append(asked.url))
    made.page.goto((written / PAGES[name]).as_uri())
    made.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    yield made
    context.close()


def test_a_page_has_no_error_and_asks_for_nothing_but_itself(visit, written):
    assert visit.complaints == []
    assert visit.requests == [(written / PAGES[visit.name]).as_uri()]


def test_every_picture_opens_and_is_described(visit):
    assert visit.page.locator("img").count() >= 4
    assert visit.page.evaluate(UNSEEN) == []


FIGURES = {
    "vae": ("Reconstructions", "Nearest training samples", "Never generated", "KL of each latent"),
    "gan": ("Interpolations", "Nearest training samples", "Never generated"),
    "comparison": ("Fidelity against diversity", "Density against coverage", "Memorisation"),
}


def test_what_a_whole_judgement_draws_is_there(visit):
    captions = visit.page.locator("figure figcaption").all_inner_texts()
    for title in FIGURES[visit.name]:
        assert any(caption.startswith(title) for caption in captions), title


def test_the_verdict_is_on_the_first_screen(visit):
    verdict = visit.page.locator("section.verdict p").first
    assert verdict.is_visible() and verdict.inner_text().strip()
    box = verdict.bounding_box()
    assert 0 <= box["y"] < box["y"] + box["height"] <= visit.height


def test_a_page_is_no_wider_than_the_screen(visit):
    """A phone widens its layout for what overflows, so its own inner width is no measure."""
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= visit.width


def test_a_table_wider_than_the_page_scrolls_to_its_end_in_its_own_box(visit):
    boxes = visit.page.evaluate(SCROLLED)
    assert len(boxes) >= 3
    assert all(beyond <= 1 for _, beyond in boxes)
    if (visit.name, visit.width) == ("comparison", PHONE[0]):
        assert any(more for more, _ in boxes)


def test_no_text_or_picture_lies_over_another(visit):
    assert visit.page.evaluate(OVERLAPS) == []


def test_every_link_leads_to_a_place_on_the_page(visit):
    assert visit.page.evaluate(DANGLING) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_background(scheme, visit):
    """At least 4.5 : 1 (WCAG 2.2, 1.4.3), whichever scheme the reader prefers."""
    visit.page.emulate_media(color_scheme=scheme)
    contrasts = visit.page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
