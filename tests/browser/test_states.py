"""What the page shows when things go wrong: unknown ids, nonsense, a busy, an empty and a stopped server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from .walking import Seen, World, open_page, serving, watched


def problem(status: int, detail: str, **headers: str) -> Callable[[Route], None]:
    """Answer with a refusal as the server words it."""
    body = json.dumps({"title": "Refused", "status": status, "detail": detail, "errors": []})

    def answer(route: Route) -> None:
        route.fulfill(status=status, headers=headers, content_type="application/problem+json", body=body)

    return answer


def test_an_unknown_id_in_the_address_is_named(page: Page, seen: Seen, starter_world: World) -> None:
    seen.expected = ("404", "422")
    open_page(page, starter_world, "?m=no-such-film")
    expect(page.locator(".chosen.gone")).to_have_text("no-such-film (not in this catalogue)")
    expect(page.locator(".results .note")).to_contain_text("no-such-film")
    page.get_by_role("button", name="Remove no-such-film").click()
    expect(page.locator(".wall .pick").first).to_be_visible()


@pytest.mark.parametrize(
    "query",
    [
        "?view=nowhere&bright=banana&known=NaN&from=x&to=1e999&for=plants&explicit=perhaps&sound={",
        "?sound=%7B%22name%22:%22x%22,%22features%22:null%7D&m=&m=&q=",
        "?%00=%FF&view=%F0%9F%8E%AC",
    ],
)
def test_nonsense_in_the_address_is_left_out(page: Page, starter_world: World, query: str) -> None:
    open_page(page, starter_world, query)
    expect(page.locator("#stage")).to_have_attribute("data-view", "search")
    expect(page.locator(".wall .pick").first).to_be_visible()


def test_too_much_nonsense_is_refused_in_words(page: Page, seen: Seen, starter_world: World) -> None:
    seen.expected = ("422",)
    open_page(page, starter_world, "?q=rain&for=movies&from=1999&to=1950")
    expect(page.locator(".results:not([hidden]) .note h2")).to_have_text("That did not work")


def test_what_is_written_stays_text(page: Page, starter_world: World) -> None:
    open_page(page, starter_world, "?q=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E")
    expect(page.locator(".understood em")).to_have_text("“<img src=x onerror=alert(1)>”")
    expect(page.locator("img[src=x]")).to_have_count(0)


def test_a_filter_that_leaves_nothing_says_so(page: Page, starter_world: World) -> None:
    open_page(page, starter_world, f"?t={starter_world.song[0]}&for=movies&from=1871&to=1872")
    expect(page.locator(".results .note h2")).to_have_text("Nothing fits")
    expect(page.get_by_role("group", name="Save this list")).to_have_count(0)


def test_a_busy_server_is_asked_again_on_request(page: Page, seen: Seen, starter_world: World) -> None:
    seen.expected = ("429",)
    refuse = problem(429, "Too many requests.", **{"Retry-After": "7"})
    page.route("**/v1/search", refuse)
    open_page(page, starter_world, f"?m={starter_world.film[0]}")
    note = page.locator(".results .note")
    expect(note.get_by_role("heading")).to_have_text("A moment, please")
    expect(note).to_contain_text("Too many requests. Try again in 7 s.")
    page.unroute("**/v1/search", refuse)
    note.get_by_role("button", name="Try again").click()
    expect(page.locator(".card[data-medium=tracks]:not(.waiting)")).to_have_count(24)


@pytest.mark.parametrize("view", ["", "?m=a-film", "?view=taste", "?view=compare&m=a-film", "?view=report"])
def test_a_server_without_an_index_says_so_in_every_view(
    browser: Browser, starter_world: World, view: str
) -> None:
    with watched(browser) as (page, seen):
        seen.expected = ("503",)
        page.route("**/v1/**", problem(503, "No index version is open yet."))
        open_page(page, starter_world, view)
        expect(page.locator("#stage .note:visible").first).to_contain_text("No index version is open yet.")
        expect(page.get_by_text("not in this catalogue")).to_have_count(0)


def test_verdicts_and_votes_that_are_not_kept_are_not_shown_as_kept(
    page: Page, seen: Seen, starter_world: World
) -> None:
    seen.expected = ("503",)
    page.route("**/v1/feedback", problem(503, "Feedback is switched off."))
    open_page(page, starter_world, f"?m={starter_world.film[0]}")
    up = page.locator("[title='it fits']").first
    up.click()
    expect(page.locator("#toast")).to_have_text("Not kept: Feedback is switched off.")
    expect(up).to_have_attribute("aria-pressed", "false")
    open_page(page, starter_world, f"?view=compare&m={starter_world.film[0]}&blind=yes")
    page.locator(".ballot").get_by_role("button", name="Neither").click()
    expect(page.get_by_role("alert")).to_have_text("Not kept: Feedback is switched off.")


def test_a_sound_that_cannot_be_heard_is_refused_in_words(
    page: Page, seen: Seen, starter_world: World
) -> None:
    seen.expected = ("415", "422", "400", "501")
    open_page(page, starter_world)
    page.locator("#sound-file").set_input_files(
        {"name": "a.mp3", "mimeType": "audio/mpeg", "buffer": b"no sound"}
    )
    expect(page.get_by_role("alert")).to_have_text(re.compile(r"\w"))
    assert "sound=" not in page.url


def test_a_server_that_stops_midway_is_told_of(browser: Browser, starter_with_methods: Path) -> None:
    with watched(browser) as (page, seen):
        # Pictures may still be loading when the server goes, and fail in whatever way.
        seen.expected = ("net::ERR_",)
        with serving(starter_with_methods) as address:
            page.goto(f"{address}/?q=rain&for=movies")
            expect(page.locator(".card[data-medium=movies]:not(.waiting)")).to_have_count(24)
        page.get_by_text("Songs", exact=True).first.click()
        expect(page.locator(".results:not([hidden]) .note")).to_contain_text(
            "The server could not be reached."
        )
        page.get_by_role("combobox").fill("casa")
        expect(page.locator("#suggestions .refused")).to_contain_text("could not be reached")
        page.get_by_role("link", name="Report").click()
        expect(page.locator("#stage .note")).to_contain_text("could not be reached")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
