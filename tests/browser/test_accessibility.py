"""What everybody can use: no serious finding of axe-core, no sideways scrolling, all by keyboard, still if asked."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from .walking import World, open_page, watched

#: View → its address after the ids of the film and the song that a version is known for.
VIEWS = {
    "start": "",
    "films and songs": "?q=lonely+rain",
    "songs of a film": "?m={film}",
    "films of a song": "?t={song}&bright=0.5&g=Drama&xq=war",
    "unknown id": "?m=no-such-film",
    "taste": "?view=taste&m={film}",
    "map": "?view=map",
    "blind": "?view=compare&m={film}&blind=yes",
    "compare": "?view=compare&m={film}",
    "report": "?view=report",
}
SIZES = {1440: 900, 360: 740}


def address_of(view: str, world: World) -> str:
    return VIEWS[view].format(film=world.film[0], song=world.song[0])


def serious_findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def overhang_px(page: Page) -> int:
    """How much wider than the window the page is."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_hangs_over(
    browser: Browser, starter_world: World, colours: str, width: int
) -> None:
    size = {"width": width, "height": SIZES[width]}
    found: dict[str, list[str]] = {}
    with watched(browser, viewport=size, color_scheme=colours, reduced_motion="reduce") as (page, seen):
        # The view of an unknown id asks for one, and the browser reports that it was refused.
        seen.expected = ("/v1/movies/no-such-film)", "422 (UNPROCESSABLE ENTITY)")
        for view in VIEWS:
            open_page(page, starter_world, address_of(view, starter_world))
            if view == "films of a song":
                page.locator(".filters summary").click()
                page.get_by_text("Why, and more").first.click()
            if view == "blind":
                page.locator(".ballot").get_by_role("button", name="Neither").click()
                expect(page.locator(".tally tbody tr").first).to_be_visible()
            found[view] = serious_findings(page)
            if overhang_px(page) > 0:
                found[view].append(f"{overhang_px(page)} px wider than the window")
    assert {view: what for view, what in found.items() if what} == {}


def test_axe_finds_nothing_serious_while_asking(browser: Browser, starter_world: World) -> None:
    with watched(browser, viewport={"width": 360, "height": 740}) as (page, _):
        open_page(page, starter_world)
        page.get_by_role("combobox").fill("casablanca")
        expect(page.get_by_role("option").first).to_be_visible()
        page.keyboard.press("ArrowDown")
        assert serious_findings(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("listbox")).to_be_hidden()
        page.get_by_role("button", name="Paste a playlist").click()
        assert serious_findings(page) == []
        assert overhang_px(page) <= 0


@pytest.mark.parametrize("view", ["start", "films and songs", "taste", "map", "compare", "report"])
def test_no_view_scrolls_sideways(page: Page, starter_world: World, view: str) -> None:
    open_page(page, starter_world, address_of(view, starter_world))
    over_px = {}
    for width in (2560, 1920, 1024, 768, 480, 360):
        page.set_viewport_size({"width": width, "height": 900})
        over_px[width] = overhang_px(page)
    assert {width: by_px for width, by_px in over_px.items() if by_px > 0} == {}


def test_all_is_reached_by_keyboard_with_its_focus_to_be_seen(page: Page, starter_world: World) -> None:
    open_page(page, starter_world, f"?m={starter_world.film[0]}")
    page.locator("[data-medium=tracks] .told").first.wait_for()
    reached, unseen = [], []
    for _ in range(40):
        page.keyboard.press("Tab")
        name, shown = page.evaluate(
            """() => {
                const at = document.activeElement;
                const ring = (node) => getComputedStyle(node).outlineStyle !== "none";
                const label = at.nextElementSibling;
                const name = at.getAttribute("aria-label") || at.labels?.[0]?.innerText || at.innerText;
                const framed = at.id === "ask" || (label && ring(label));
                return [name.trim(), ring(at) || Boolean(framed)];
            }"""
        )
        reached.append(name)
        if not shown:
            unseen.append(name)
    assert unseen == []
    assert reached[0] == "Skip to the results"
    for wanted in (
        *(
            "Search",
            "Taste",
            "Map",
            "Compare",
            "Report",
            "Dark colours",
            "A song, a film, or a mood in words",
        ),
        *("Paste a playlist", "Read an audio file", f"Remove {starter_world.film[1]}", "darker to brighter"),
        *("Filters", "CSV", "Listen on Spotify", "Why, and more"),
    ):
        assert wanted in reached, f"{wanted} is not among {reached}"


def test_the_colours_chosen_stay(page: Page, starter_world: World) -> None:
    open_page(page, starter_world)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark colours").click()
    expect(page.get_by_role("button", name="Dark colours")).to_have_attribute("aria-pressed", "true")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    expect(page.get_by_role("button", name="Dark colours")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(ground) == dark


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_where_that_is_asked_for(
    browser: Browser, starter_world: World, motion: str, moves: bool
) -> None:
    with watched(browser, viewport={"width": 1280, "height": 900}, reduced_motion=motion) as (page, _):
        open_page(page, starter_world, f"?m={starter_world.film[0]}")
        card = page.locator(".card:not(.waiting)").first
        card.hover()
        durations_s = card.evaluate(
            "node => getComputedStyle(node).transitionDuration.split(',').map(parseFloat)"
        )
        assert (max(durations_s) > 0) is moves


def test_the_plain_page_is_named_where_there_are_no_scripts(browser: Browser, starter_world: World) -> None:
    with watched(browser, java_script_enabled=False) as (page, _):
        page.goto(starter_world.address)
        page.get_by_role("link", name="the plain one").click()
        assert page.url == f"{starter_world.address}/plain"


def test_seen_names_what_went_wrong(browser: Browser, starter_world: World) -> None:
    """The watch itself: an error on the console and a request to elsewhere are not overlooked."""
    with pytest.raises(AssertionError), watched(browser) as (page, seen):
        open_page(page, starter_world)
        page.route("https://elsewhere.invalid/**", lambda route: route.abort())
        page.evaluate(
            "() => { new Image().src = 'https://elsewhere.invalid/a.png'; console.error('broken'); }"
        )
        expect(page.locator("body")).to_be_visible()
    assert any("broken" in error for error in seen.errors)
