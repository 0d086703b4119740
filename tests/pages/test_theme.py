"""A merchant's look, as a browser gets it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shop.settings import read_settings
from shop.theme import read_logo
from tests.conftest import soup

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 40"><rect width="160" height="40"/></svg>'


@pytest.fixture
def theme(tmp_path):
    folder = tmp_path / "look"
    folder.mkdir()
    (folder / "logo.svg").write_text(LOGO)
    (folder / "shop.css").write_text('@font-face { font-family: Brand; src: url("theme/brand.woff2") }')
    (folder / "brand.woff2").write_bytes(b"wOF2")
    (folder / "notes.txt").write_text("not for everybody")
    environ = {
        "SHOP_DATA": str(tmp_path),
        "SHOP_ACCENT": "#003087",
        "SHOP_FONT": "Brand, system-ui",
        "SHOP_LOGO": str(folder / "logo.svg"),
        "SHOP_STYLESHEET": str(folder / "shop.css"),
    }
    return read_settings(environ).theme


@pytest.fixture
def themed(app, theme):
    shop = app.extensions["shop"]
    app.extensions["shop"] = replace(shop, settings=replace(shop.settings, name="Blue & Co", theme=theme))
    return app.test_client()


def test_without_settings_the_look_is_the_shops_own(client):
    page = soup(client.get("/"))

    assert page.select_one(".logo").get_text(strip=True) == "Crumb"
    assert not page.select('link[href*="theme.css"]')
    assert client.get("/theme.css").status_code == 404
    assert client.get("/theme/logo.svg").status_code == 404


def test_the_stylesheet_comes_after_all_others_and_may_be_kept_for_good(themed):
    *_, last = soup(themed.get("/")).select('link[rel="stylesheet"]')
    answer = themed.get(last["href"])

    assert last["href"].startswith("/theme.css?v=")
    assert answer.mimetype == "text/css"
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.text.startswith("@layer theme {")
    assert "--accent: light-dark(#003087, " in answer.text
    assert '--sans: "Brand", system-ui;' in answer.text
    assert answer.text.index("--accent") < answer.text.index("@font-face")


def test_another_version_of_it_is_asked_about_each_time(themed):
    answer = themed.get("/theme.css?v=before")

    assert answer.headers["Cache-Control"] == "public, no-cache"
    assert themed.get("/theme.css?v=before", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_the_logo_is_the_name_and_keeps_its_place(themed):
    logo = soup(themed.get("/")).select_one(".logo img")
    answer = themed.get(logo["src"])

    assert (logo["alt"], logo["width"], logo["height"]) == ("Blue & Co", "160", "40")
    assert (answer.mimetype, answer.text) == ("image/svg+xml", LOGO)
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_only_a_logo_without_a_dark_theme_gets_a_plate_in_the_dark(themed, tmp_path):
    assert "logo-plate" in soup(themed.get("/")).select_one(".logo img")["class"]

    (tmp_path / "both.svg").write_text(
        "<svg><style>@media (prefers-color-scheme: dark) { * { fill: #fff } }</style></svg>"
    )
    assert read_logo(str(tmp_path / "both.svg")).adapts


def test_a_logo_may_be_elsewhere(app, settings, tmp_path):
    url = "https://pictures.example/logo.png"
    theme = read_settings({"SHOP_DATA": str(tmp_path), "SHOP_LOGO": url}).theme
    app.extensions["shop"] = replace(app.extensions["shop"], settings=replace(settings, theme=theme))

    assert soup(app.test_client().get("/")).select_one(".logo img")["src"] == url


def test_fonts_and_pictures_beside_the_stylesheet_are_served_and_nothing_else_is(themed):
    assert themed.get("/theme/brand.woff2").mimetype == "font/woff2"
    for other in ("notes.txt", "shop.css", "..%2fsecret-key", "nowhere.png"):
        assert themed.get(f"/theme/{other}").status_code == 404


def test_the_bars_around_the_page_take_its_colour(client):
    light, dark = soup(client.get("/")).select('meta[name="theme-color"]')

    assert (light["media"], dark["media"]) == ("(prefers-color-scheme: light)", "(prefers-color-scheme: dark)")
    assert light["content"] != dark["content"]
