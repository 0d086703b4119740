"""`shop images` as a merchant meets it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from shop.catalogue import pictures
from tests import picture_server
from tests.live import PROJECT, shop_environ
from tests.pages.test_cli_orders import Merchant, cells
from tests.picture_server import PictureServer, picture


@pytest.fixture
def merchant(settings):
    merchant = Merchant(settings)
    yield merchant
    merchant.database.close()


@pytest.fixture
def server():
    with PictureServer() as server:
        yield server


@pytest.fixture
def export(server: PictureServer, tmp_path: Path) -> Path:
    """Two products with a picture on a server, of which only the first is there."""
    server.pictures["/kettle.png"] = picture(40, 40)
    path = tmp_path / "goods.csv"
    rows = [f"{name},{name},1,{server.url(f'/{name}.png')},true,active" for name in ("kettle", "map")]
    path.write_text("\n".join(["Handle,Title,Price,Image Src,Published,Status", *rows, ""]))
    return path


def test_an_import_says_how_its_pictures_become_light(merchant, export):
    merchant.types("images", "--private")
    assert "2 pictures have no small sizes yet: `shop images` makes them" in merchant.types("import", export).stdout

    merchant.types("images", "--private")
    assert "shop images" not in merchant.types("import", export).stdout


def test_broken_pictures_are_listed_and_fail_only_a_strict_run(merchant, export, server):
    merchant.types("import", export)

    result = merchant.types("images", "--private")
    strict = merchant.types("images", "--private", "--strict")

    broken = ["map", server.url("/map.png"), "its server answers 404 Not Found"]
    assert cells(result) == [broken]
    assert " 1 broken." in result.stderr and "`shop images --again` tries these again" in result.stderr
    assert (strict.exit_code, server.asked.count("/map.png")) == (1, 1)

    server.pictures["/map.png"] = picture(40, 40)
    again = merchant.types("images", "--private", "--again", "--strict")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "1 made" in again.stderr


def test_sizes_that_nothing_needs_any_more_are_removed_when_told(merchant, export):
    merchant.types("import", export)
    merchant.types("images", "--private")
    export.write_text(export.read_text().replace("kettle.png", "map.png"))
    merchant.types("import", export)

    assert "removed" not in merchant.types("images", "--private").stderr
    assert "1 removed" in merchant.types("images", "--private", "--prune").stderr
    assert "0 removed" in merchant.types("images", "--private", "--prune").stderr


@pytest.mark.sqlite  # where each catalogue has a file of its own
def test_the_pictures_of_a_catalogue_that_is_served_beside_the_shop(merchant, export):
    result = merchant.types("images", "--private", "--catalogue", export)

    assert result.exit_code == 1
    assert "Nothing has served goods.csv yet" in result.stderr


def test_a_person_sees_how_far_it_is(merchant, export, server):
    """On a terminal: a bar while the last picture is awaited, then a table."""
    server.answers["/kettle.png"] = picture_server.held
    merchant.types("import", export)
    with merchant.database.reading() as connection:
        count = pictures.count_unmade(connection)
    one_missing = f"{count - 1}/{count}".encode()
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "shop", "images", "--private"],
        cwd=PROJECT,
        env=shop_environ(**merchant.environ) | {"COLUMNS": "160", "TERM": "xterm"},
        stdout=inner,
        stderr=inner,
    )
    os.close(inner)
    seen = b""
    try:
        while one_missing not in seen and (some := os.read(outer, 4096)):
            seen += some
        server.open.set()
        while some := os.read(outer, 4096):
            seen += some
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(outer)

    assert process.wait(30) == 0
    assert one_missing in seen and b"What is wrong" in seen and b"404 Not Found" in seen
