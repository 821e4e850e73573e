from __future__ import annotations

import re
from html import unescape
from typing import Any

from server.app import create_app
from server.request_schemas import SearchBody
from server.settings import Settings


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return found + [ref for part in value.values() for ref in references(part)]
    return [ref for part in value for ref in references(part)] if isinstance(value, list) else []


def test_description_holds_every_call(client):
    description = client.get("/openapi.json").get_json()
    assert description["openapi"] == "3.1.0"
    assert {path: sorted(calls) for path, calls in description["paths"].items()} == {
        "/healthz": ["get"],
        "/readyz": ["get"],
        "/v1/tracks": ["get"],
        "/v1/movies": ["get"],
        "/v1/tracks/{id}": ["get"],
        "/v1/movies/{id}": ["get"],
        "/v1/tracks/{id}/movies": ["get"],
        "/v1/movies/{id}/tracks": ["get"],
        "/v1/tracks/{id}/similar": ["get"],
        "/v1/movies/{id}/similar": ["get"],
        "/v1/search": ["post"],
        "/v1/picks": ["get"],
        "/v1/playlist": ["post"],
        "/v1/audio": ["post"],
        "/v1/feedback": ["post"],
        "/v1/feedback/tally": ["get"],
        "/v1/map": ["get"],
        "/v1/map/legend": ["get"],
        "/v1/map/items": ["get"],
        "/v1/map/places": ["post"],
        "/v1/relevance": ["get"],
    }
    call = description["paths"]["/v1/tracks/{id}/movies"]["get"]
    named = {parameter["name"]: parameter for parameter in call["parameters"]}
    assert named["id"]["in"] == "path"
    assert named["limit"]["schema"]["maximum"] == 1000
    assert {"explain", "offset", "genres", "language", "valence_max"} <= set(named)
    assert list(call["responses"]["422"]["content"]) == ["application/problem+json"]
    body = description["components"]["schemas"]["SearchBody"]
    assert body["additionalProperties"] is False
    assert body["properties"]["text"]["maxLength"] == 2000
    assert body["properties"]["method"]["enum"][:2] == ["segue", "popularity"]
    assert [body["properties"]["popularity"]["anyOf"][0][end] for end in ("minimum", "maximum")] == [0, 1]
    content = description["paths"]["/v1/search"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        SearchBody.model_validate(example["value"])
    assert content["examples"]["mood"]["value"]["text"] == "a rainy night in the city"


def test_description_refers_only_to_what_it_holds(client):
    description = client.get("/openapi.json").get_json()
    schemas = description["components"]["schemas"]
    named = {ref.removeprefix("#/components/schemas/") for ref in references(description)}
    assert "Problem" in named
    assert named - set(schemas) == set()


def test_docs_load_nothing_from_outside(client):
    page = client.get("/docs")
    html = page.get_data(as_text=True)
    loaded = re.findall(r'(?:src|href|data-description)="([^"]*)"', html)
    assert all(address.startswith("/") and not address.startswith("//") for address in loaded)
    for address in loaded:
        with client.get(address) as asset:
            assert asset.status_code == 200
    assert "/openapi.json" in loaded
    assert "http:" not in html
    assert "https:" not in html
    assert re.findall(r"<script>", html) == []
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    with client.get("/static/docs.js") as script:
        assert b"validatorUrl: null" in script.data


def test_page_loads_only_its_own_files(client):
    page = client.get("/plain?id=s1")
    html = page.get_data(as_text=True)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert re.findall(r'<link [^>]*href="([^"]*)"', html) == ["/static/icon.svg", "/static/page.css"]
    assert "<script" not in html
    assert "style=" not in html


def test_page_begins_with_words_on_what_to_do(client):
    html = client.get("/plain").get_data(as_text=True)
    assert "Where to begin" in html
    assert "not endorsed or certified by TMDb" in html
    assert "Spotify" in html


def test_page_lists_candidates(client):
    html = unescape(client.get("/plain?q=night&medium=tracks").get_data(as_text=True))
    assert "Which one?" in html
    assert 'href="/plain?medium=tracks&id=s1"' in html
    assert "Night & Day" in html
    assert "Ann Lee, Bo · 1981" in html


def test_page_shows_scores_reasons_and_links(client):
    html = unescape(client.get("/plain?medium=tracks&id=s1").get_data(as_text=True))
    assert "Films for <em>Night & Day</em>" in html
    assert re.findall(r'class="number">([^<]*)<', html) == ["0.75", "0.38"]
    assert re.findall(r'class="fill" width="([^"]*)"', html) == ["75.0%", "37.5%"]
    assert re.findall(r'class="value">([^<]*)<', html) == ["+0.500", "-0.125"] * 2
    assert "words alike: rain" in html
    assert 'href="https://www.themoviedb.org/movie/680"' in html
    assert 'href="/plain?medium=tracks&id=s1&offset=10&index_version=v1"' in html


def test_page_finds_by_mood(client, search):
    html = client.get("/plain?target=tracks&text=rainy+night&q=&id=").get_data(as_text=True)
    assert "Songs for “rainy night”" in html
    assert (search.queries[0].target, search.queries[0].text) == ("tracks", "rainy night")


def test_page_goes_on_from_the_last_page(client, search):
    html = client.get("/plain?text=rain&offset=30").get_data(as_text=True)
    assert search.queries[0].offset == 30
    assert 'class="more"' not in html


def test_page_says_when_nothing_is_found(client):
    assert "Nothing found" in client.get("/plain?q=zzz").get_data(as_text=True)
    assert "No match" in client.get("/plain?text=nothing").get_data(as_text=True)


def test_page_says_what_is_wrong(client):
    unknown = client.get("/plain?id=nope")
    assert unknown.status_code == 404
    assert "That did not work" in unknown.get_data(as_text=True)
    assert client.get("/plain?text=" + "a" * 2001).status_code == 422
    assert client.get("/plain?offset=-1&text=a").status_code == 422
    assert client.get("/plain?medium=albums&q=a").status_code == 422


def test_page_escapes_what_is_typed(client):
    html = client.get("/plain?q=zzz&medium=tracks&text=<script>alert(1)</script>").get_data(as_text=True)
    assert "<script" not in html


def test_the_page_says_which_pictures_it_may_show(search, tmp_path):
    def shown(settings):
        html = create_app(settings, search).test_client().get("/").get_data(as_text=True)
        return re.search('data-posters="(.*?)" data-folders="(.*?)"', html).groups()

    assert shown(Settings()) == ("remote", "")
    assert shown(Settings(remote_posters="off", posters=tmp_path, covers=tmp_path)) == (
        "none",
        "movies tracks",
    )


def test_what_the_page_loads_is_there_and_from_here(client):
    html = client.get("/").get_data(as_text=True)
    loaded = re.findall(r'(?:src|href)="([^"#?]+\.(?:js|css|svg|woff2))"', html)
    assert {"/static/app/main.js", "/static/app/app.css"} <= set(loaded)

    def fetch(address):
        with client.get(address) as reply:
            assert reply.status_code == 200, address
            return reply.get_data(as_text=True) if address.endswith((".js", ".css")) else ""

    for address in loaded:
        # Scripts name what they import.
        for part in re.findall(r'(?:from |import\()"(\.[^"]+)"', fetch(address)):
            fetch(f"{address.rsplit('/', 1)[0]}/{part}")
