"""The shop while a file is imported: it shows the catalogue that it had, and the new one once that is whole."""

from __future__ import annotations

from shop.catalogue.importing import import_file
from tests.conftest import OWN, SHELF, soup, text


def test_pages_show_the_old_catalogue_until_the_import_has_committed(client, database, settings, tmp_path):
    dearer = SHELF.read_text().replace("mug,Mug,", "mug,Beaker,") + "tray,Oak Tray,,,Kitchen,,true,,,,,,,,,30\n"
    (tmp_path / "goods.csv").write_text(dearer)
    client.post("/cart-items", data={"item": "mug"}, headers=OWN)

    def look() -> tuple[str, int, bool, bool, bool]:
        return (
            text(client.get("/products/mug"), "h1"),
            client.get("/products/tray").status_code,
            "Oak Tray" in client.get("/collections/kitchen").text,
            "Oak Tray" in text(client.get("/search?q=tray"), "main"),
            "Beaker" in soup(client.get("/cart")).text,
        )

    old, new = ("Mug", 404, False, False, False), ("Beaker", 200, True, True, True)
    seen = [look()]

    report = import_file(database, tmp_path / "goods.csv", settings, progress=lambda _done, _all: seen.append(look()))

    # Called when all is written and nothing committed, and once more at the end.
    assert seen == [old, old, new]
    assert (report.created, report.updated) == (1, 1)
