"""Each thing that the page is for, done as a person does it, on the starter version and on a slice of the real one."""

from __future__ import annotations

import csv
import io
import math
import re
import struct
import wave
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from indexer.sound.confinement import Limits

from .walking import Seen, World, open_page

LISTENING_MS = 120_000


def asked(page: Page) -> dict[str, list[str]]:
    """What the address asks for."""
    return parse_qs(urlsplit(page.url).query)


def cards(page: Page, medium: str) -> Locator:
    return page.locator(f".card[data-medium={medium}]:not(.waiting)")


def test_a_title_with_a_slip_is_suggested_and_taken_by_keyboard(page: Page, world: World) -> None:
    open_page(page, world)
    id, title = world.film
    page.keyboard.press("/")
    expect(page.get_by_role("combobox")).to_be_focused()
    # The last letter but one is missing.
    slipped = title[:-2] + title[-1]
    page.keyboard.type(slipped)
    options = page.get_by_role("option")
    expect(options.last).to_contain_text(f"“{slipped}”")
    wanted = options.filter(has=page.get_by_text(title, exact=True)).filter(has_text="film").first
    expect(wanted).to_be_visible()
    for _ in range(options.count()):
        page.keyboard.press("ArrowDown")
        if wanted.get_attribute("aria-selected") == "true":
            break
    expect(wanted).to_have_attribute("aria-selected", "true")
    active = page.get_by_role("combobox").get_attribute("aria-activedescendant")
    assert active == wanted.get_attribute("id")
    page.keyboard.press("Enter")
    expect(page.locator(".understood")).to_have_text(f"Looking for songs that feel like {title}.")
    expect(page.locator(".tray .chosen")).to_have_text(title)
    assert asked(page) == {"m": [id]}
    expect(cards(page, "tracks").first).to_be_visible()
    expect(cards(page, "movies")).to_have_count(0)


def test_a_title_typed_in_haste_is_taken_as_a_title(page: Page, world: World) -> None:
    open_page(page, world)
    id, title = world.song
    page.get_by_role("combobox").fill(title)
    page.keyboard.press("Enter")
    page.wait_for_url("**/?*")
    query = asked(page)
    assert query.get("t") == [id] or query.get("m"), query
    expect(page.locator(".tray .chosen .name")).to_have_text(title, ignore_case=True)


def test_a_mood_in_words_finds_both_and_says_how_it_was_understood(page: Page, world: World) -> None:
    open_page(page, world)
    page.get_by_role("combobox").fill("lonely rain at night")
    page.keyboard.press("Enter")
    expect(page.locator(".understood")).to_have_text(
        "Looking for films and songs that feel like the words “lonely rain at night”."
    )
    assert asked(page) == {"q": ["lonely rain at night"]}
    for medium in ("movies", "tracks"):
        expect(cards(page, medium)).to_have_count(24)


def test_a_pasted_playlist_becomes_songs_and_names_what_it_lacks(page: Page, world: World) -> None:
    open_page(page, world)
    found = page.request.get(f"{world.address}/v1/tracks/{world.song[0]}").json()
    page.get_by_role("button", name="Paste a playlist").click()
    page.get_by_label("Songs, one a line").fill(
        f"{found['artists'][0]} - {found['title']}\nNobody At All - No Such Song Qwxz\n"
    )
    page.get_by_role("button", name="Find its films").click()
    expect(page.locator(".told-of")).to_contain_text("1 of 2 songs were found.")
    page.get_by_text("1 not found").click()
    expect(page.locator(".unresolved")).to_contain_text("No Such Song Qwxz")
    assert asked(page) == {"t": [world.song[0]]}
    expect(cards(page, "movies").first).to_be_visible()


def tone(seconds: int = 6, rate_hz: int = 16_000) -> bytes:
    """A WAV of a tone that swells twice a second."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        for n in range(seconds * rate_hz):
            loudness = 9_000 * abs(math.sin(math.tau * n / rate_hz))
            sound.writeframesraw(struct.pack("<h", int(loudness * math.sin(math.tau * 220 * n / rate_hz))))
    return file.getvalue()


def test_a_dropped_sound_is_listened_to(
    page: Page, starter_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("librosa", reason="librosa is not installed, so nothing can be listened to")
    # The server is in this process; how quick a machine is under test is no matter here.
    monkeypatch.setattr("server.audio.LIMITS", Limits(start_s=100.0, wall_s=100.0))
    open_page(page, starter_world)
    dropped = page.evaluate_handle(
        """bytes => {
            const held = new DataTransfer();
            held.items.add(new File([new Uint8Array(bytes)], "tone.wav", { type: "audio/wav" }));
            return held;
        }""",
        list(tone()),
    )
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    expect(page.locator(".told-of")).to_contain_text("tone.wav was listened to", timeout=LISTENING_MS)
    expect(page.locator(".understood")).to_have_text(
        "Looking for films that feel like the sound of tone.wav."
    )
    expect(cards(page, "movies")).to_have_count(24)
    page.reload()
    expect(page.locator(".understood")).to_contain_text("the sound of tone.wav")


def test_a_taste_is_picked_from_a_grid_and_put_down_again(page: Page, world: World) -> None:
    open_page(page, world, "?view=taste")
    offered = page.request.get(f"{world.address}/v1/picks?medium=movies&limit=24").json()["results"]
    first_page = [film["id"] for film in offered]
    picks = page.locator(".posters .pick")
    expect(picks).to_have_count(len(first_page))
    assert [pick.get_attribute("data-id") for pick in picks.all()] == first_page
    page.get_by_role("button", name="Show me others").click()
    expect(picks.first).not_to_have_attribute("data-id", str(first_page[0]))
    others = [str(pick.get_attribute("data-id")) for pick in picks.all()]
    assert not set(others) & set(first_page)
    picks.nth(0).click()
    picks.nth(2).click()
    expect(page.locator(".tray .chosen")).to_have_count(2)
    expect(page.locator(".posters [aria-pressed=true]")).to_have_count(2)
    assert asked(page) == {"view": ["taste"], "m": [others[0], others[2]]}
    expect(page.get_by_role("heading", name="Songs for your taste")).to_be_visible()
    expect(cards(page, "tracks")).to_have_count(12)
    picks.nth(0).click()
    expect(page.locator(".tray .chosen")).to_have_count(1)
    assert asked(page)["m"] == [others[2]]
    page.go_back()
    expect(page.locator(".tray .chosen")).to_have_count(2)
    page.get_by_text("Pick songs").click()
    expect(page.locator(".posters .pick[data-medium=tracks]").first).to_be_visible()
    expect(page.locator(".posters .pick[data-medium=movies]")).to_have_count(0)


def test_a_result_tells_why_and_where_to_listen(page: Page, world: World) -> None:
    open_page(page, world, f"?m={world.film[0]}")
    card = cards(page, "tracks").first
    expect(card.get_by_role("heading", level=3)).to_have_text(re.compile(r"\w"))
    expect(card.locator(".facts")).to_have_text(re.compile(r"\w"))
    assert re.fullmatch(r"[01]\.\d\d", card.locator(".number").inner_text())
    assert str(card.get_by_role("meter").get_attribute("aria-label")).startswith("match score ")
    link = card.get_by_role("link", name="Listen on Spotify")
    assert urlsplit(str(link.get_attribute("href"))).hostname == "open.spotify.com"
    assert link.get_attribute("rel") == "noopener noreferrer"
    card.get_by_text("Why, and more").click()
    reasons = card.locator(".reasons li")
    expect(reasons.first).to_be_visible()
    shares = [
        int(text.replace("−", "-").removesuffix("%").strip())
        for text in reasons.locator(".share").all_inner_texts()
    ]
    assert 90 <= sum(share for share in shares if share > 0) <= 110
    expect(card.locator("dl")).to_be_visible()
    open_page(page, world, f"?t={world.song[0]}")
    film = cards(page, "movies").first.get_by_role("link", name="On TMDb")
    assert urlsplit(str(film.get_attribute("href"))).hostname == "www.themoviedb.org"


def test_more_and_less_like_this_change_what_is_asked(page: Page, world: World) -> None:
    open_page(page, world, f"?m={world.film[0]}")
    card = cards(page, "tracks").nth(1)
    title, id = card.get_by_role("heading").inner_text(), card.get_attribute("data-id")
    card.locator("[title='less like this']").click()
    expect(page.locator(".chosen.against .name")).to_have_text(f"not like {title}", ignore_case=True)
    assert asked(page) == {"m": [world.film[0]], "xt": [id]}
    expect(page.locator(f".card[data-id='{id}']")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Remove not like")).click()
    expect(page.locator(".chosen")).to_have_count(1)
    page.locator(f".card[data-id='{id}'] [title='more like this']").click()
    expect(page.locator(".chosen")).to_have_count(2)
    assert asked(page) == {"m": [world.film[0]], "t": [id]}


def test_verdicts_are_kept_and_taken_back(page: Page, world: World) -> None:
    open_page(page, world, f"?m={world.film[0]}")
    before = page.request.get(f"{world.address}/v1/feedback/tally").json()["verdicts"]
    up = cards(page, "tracks").nth(2).locator("[title='it fits']")
    down = cards(page, "tracks").nth(2).locator("[title='it does not fit']")
    for button, change in ((up, (1, 0)), (down, (0, 1)), (down, (0, 0))):
        with page.expect_response("**/v1/feedback") as reply:
            button.click()
        assert reply.value.ok, reply.value.text()
        tally = page.request.get(f"{world.address}/v1/feedback/tally").json()["verdicts"]
        assert (tally["up"] - before["up"], tally["down"] - before["down"]) == change
    expect(up).to_have_attribute("aria-pressed", "false")
    expect(down).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize(("kind", "first_line"), [("CSV", "rank"), ("M3U", "#EXTM3U"), ("TXT", "1. ")])
def test_a_list_is_saved(
    page: Page, starter_world: World, tmp_path: Path, kind: str, first_line: str
) -> None:
    open_page(page, starter_world, f"?m={starter_world.film[0]}")
    with page.expect_download() as download:
        page.get_by_role("group", name="Save this list").get_by_role("button", name=kind).click()
    file = tmp_path / download.value.suggested_filename
    assert file.name == f"segue-songs.{kind.lower()}"
    download.value.save_as(file)
    text = file.read_text(encoding="utf-8")
    if kind == "CSV":
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert [row["id"] for row in rows] == [
            card.get_attribute("data-id") for card in cards(page, "tracks").all()
        ]
        assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 25)]
        assert {row["link"].split("/")[2] for row in rows} == {"open.spotify.com"}
    else:
        assert text.startswith(first_line)
        assert len(text.splitlines()) == {"M3U": 49, "TXT": 24}[kind]


def test_more_results_follow_on_request(page: Page, world: World) -> None:
    open_page(page, world, f"?m={world.film[0]}")
    page.get_by_role("button", name="More", exact=True).click()
    expect(cards(page, "tracks")).to_have_count(48)
    ids = [card.get_attribute("data-id") for card in cards(page, "tracks").all()]
    assert len(set(ids)) == 48


def test_a_poor_list_says_so(page: Page, starter_world: World) -> None:
    open_page(page, starter_world, "?q=zxqv+wrtl&for=movies")
    expect(page.locator(".results:not([hidden]) .poor")).to_have_text(re.compile("^No good match"))
    expect(cards(page, "movies")).to_have_count(24)


def test_dials_turn_the_list(page: Page, world: World) -> None:
    open_page(page, world, f"?t={world.song[0]}&for=movies")
    before = [card.get_attribute("data-id") for card in cards(page, "movies").all()]
    dial = page.get_by_role("slider", name="darker to brighter")
    dial.focus()
    with page.expect_response("**/v1/search") as reply:
        page.keyboard.press("End")
    sent = reply.value.request.post_data_json
    assert sent is not None
    assert sent["mood"] == {"valence": 1, "energy": 0}
    expect(dial).to_have_attribute("aria-valuetext", "Brighter 100 %")
    expect(page.locator(".understood")).to_contain_text("but brighter")
    expect(page.locator(".results[aria-busy]")).to_have_count(0)
    assert asked(page) == {"t": [world.song[0]], "for": ["movies"], "bright": ["1"]}
    assert [card.get_attribute("data-id") for card in cards(page, "movies").all()] != before


def test_filters_count_what_they_would_leave(page: Page, world: World) -> None:
    open_page(page, world, f"?t={world.song[0]}&for=movies")
    page.get_by_text("Filters", exact=True).click()
    genre = page.get_by_role("group", name="Genres").locator("label").first
    count = int(genre.locator("small").inner_text().replace(",", ""))
    name = genre.locator("span").inner_text().splitlines()[0].strip()
    genre.click()
    expect(page.locator(".results:not([hidden]) .count")).to_have_text(f"{count} in all")
    expect(page.locator(".filters summary")).to_contain_text("(1 set)")
    assert asked(page)["g"][0] in name
    page.get_by_role("button", name="Take all filters away").click()
    expect(page.locator(".filters summary")).to_have_text("Filters")
    decade = page.locator(".decade").first
    year = int(str(decade.get_attribute("id")).removeprefix("decade-"))
    decade.click()
    expect(page.locator(f"#decade-{year}")).to_have_attribute("aria-pressed", "true")
    assert (asked(page)["from"], asked(page)["to"]) == ([str(year)], [str(year + 9)])
    for facts in page.locator(".card[data-medium=movies] .facts").all_inner_texts():
        assert year <= int(facts[:4]) <= year + 9
    page.go_back()
    expect(page.locator(".filters summary")).to_have_text("Filters")


def test_the_map_opens(page: Page, world: World) -> None:
    open_page(page, world, "?view=map")
    expect(page.get_by_role("link", name="Map")).to_have_attribute("aria-current", "page")
    expect(page.locator("#stage canvas").first).to_be_visible()


def test_methods_are_compared_side_by_side(page: Page, world: World) -> None:
    open_page(page, world, f"?view=compare&m={world.film[0]}")
    columns = page.locator(".column")
    expect(columns).to_have_count(2)
    expect(columns.locator("h2")).to_have_text(["Segue", "text-cosine"])
    expect(columns.nth(0).locator("li")).to_have_count(10)
    expect(columns.nth(1).locator("li")).to_have_count(10)
    page.get_by_label("Segue against").select_option("random")
    expect(columns.locator("h2")).to_have_text(["Segue", "random"])
    assert asked(page)["against"] == ["random"]


def test_a_blind_vote_is_kept_and_counted(page: Page, world: World) -> None:
    open_page(page, world, f"?view=compare&m={world.film[0]}&against=random&blind=yes")
    columns = page.locator(".column")
    expect(columns.locator("h2")).to_have_text(["Answer A", "Answer B"])
    expect(page.locator(".column").get_by_role("meter")).to_have_count(0)
    ballot = page.get_by_role("group", name="Which answer is better?")
    with page.expect_response("**/v1/feedback") as reply:
        ballot.get_by_role("button", name="A", exact=True).click()
    assert reply.value.ok, reply.value.text()
    sent = reply.value.request.post_data_json
    assert sent is not None
    expect(ballot).to_contain_text("Thank you.")
    told = re.match(r"A was (\S+), B was (\S+)\.", ballot.inner_text())
    assert told is not None
    named = {"Segue": "segue", "random": "random"}
    assert sent["winner"] == named[told[1]]
    assert {named[told[1]], named[told[2]]} == {"segue", "random"}
    row = page.locator(".tally tbody tr")
    expect(row).to_have_count(1)
    assert row.get_by_role("rowheader").inner_text() == "random"
    won = told[1] == "Segue"
    assert row.locator("td").all_inner_texts()[:3] == (["1", "0", "0"] if won else ["0", "0", "1"])
    assert re.fullmatch(r"\d+–\d+ %", row.locator("td").last.inner_text())


def test_the_report_shows_the_relevance_card(page: Page, world: World) -> None:
    card = page.request.get(f"{world.address}/v1/relevance").json()
    open_page(page, world, "?view=report")
    expect(page.locator(".report-view .lead")).to_contain_text(card["index_version"])
    if card["relevance"] is None:
        expect(page.get_by_text("too few known pairs")).to_be_visible()
    else:
        shown = page.get_by_role("row", name=re.compile("^Found in the first ten"))
        found = card["relevance"]["song_to_film"]["recall_10"]["value"]
        expect(shown.locator("td").first.locator("b")).to_have_text(f"{100 * found:.1f} %")
    expect(page.locator(".report-view dt", has_text="text-cosine")).to_be_visible()


def test_every_view_is_reached_from_every_other(page: Page, starter_world: World, seen: Seen) -> None:
    open_page(page, starter_world, f"?m={starter_world.film[0]}")
    for name in ("Taste", "Compare", "Report", "Search"):
        page.get_by_role("navigation", name="Views").get_by_role("link", name=name).click()
        expect(page.locator("#stage")).to_have_attribute("data-view", name.lower())
    for name in ("report", "compare", "taste"):
        page.go_back()
        expect(page.locator("#stage")).to_have_attribute("data-view", name)
    expect(page.locator(".tray .chosen")).to_have_text(starter_world.film[1])
    assert seen.elsewhere == []
