"""Sizes of pictures: of whatever a server, a folder or a camera may hold; and of what was interrupted."""

from __future__ import annotations

import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image, ImageCms

from shop.catalogue import pictures
from shop.catalogue.importing import import_file
from shop.catalogue.picture_sources import Limits
from shop.catalogue.pictures import AtWork, Problem, Report
from shop.database import Database
from shop.database import pictures as table
from shop.settings import Settings
from tests import picture_server
from tests.databases import url_of
from tests.domain.test_full_disk import files_of_at_most
from tests.live import shop_environ, start_shop, wait_until
from tests.picture_server import PictureServer, encoded, picture


@dataclass
class Made:
    """What the shop has of one picture."""

    width: int | None
    height: int | None
    color: str
    widths: list[int]
    folder: Path

    def size(self, width: int, kind: str = "webp") -> Image.Image:
        return Image.open(BytesIO((self.folder / f"{width}.{kind}").read_bytes()))

    def pixel(self, x: float, y: float, kind: str = "webp") -> tuple[int, ...]:
        """The colour in the largest size, at those parts of its width and height."""
        image = self.size(self.widths[-1], kind)
        return image.getpixel((int(x * (image.width - 1)), int(y * (image.height - 1))))


class Shop:
    """A shop whose products show what `names` says, with a server beside it that has pictures."""

    def __init__(self, settings: Settings, folder: Path, server: PictureServer) -> None:
        self.settings = settings
        self.database = Database(settings.database_url)
        self.database.migrate()
        self.server = server
        self.sizes = settings.images / "sizes"
        self._export = folder / "goods.csv"

    def names(self, *sources: str) -> None:
        """Sell a product for each picture, `product-1` the first, and nothing else."""
        rows = [f'product-{n},Product {n},1,"{self.at(src)}",true,active' for n, src in enumerate(sources, 1)]
        self._export.write_text("\n".join(["Handle,Title,Price,Image Src,Published,Status", *rows, ""]))
        import_file(self.database, self._export, self.settings)

    def at(self, src: str) -> str:
        """A path on the server beside is written without the server."""
        return src if src.startswith(("/images/", "/static/", "/elsewhere", "http")) else self.server.url(src)

    def make(self, private=True, **options) -> Report:
        return pictures.make(self.database, self.settings, private=private, **options)

    def broken(self, **options) -> dict[str, str]:
        """Why, by product."""
        return {problem.product: problem.reason for problem in self.make(**options).broken}

    def row(self, src: str):
        with self.database.reading() as connection:
            return connection.execute(sa.select(table).where(table.c.src == self.at(src))).one_or_none()

    def made(self, src: str) -> Made:
        made = self.row(src).made
        color, widths, key = made.get("color", ""), made.get("widths", []), made.get("key", "")
        return Made(made.get("width"), made.get("height"), color, widths, self.sizes / key)

    @property
    def folders(self) -> set[str]:
        return {path.name for path in self.sizes.iterdir() if path.name not in (".lock", ".making")}

    @property
    def unfinished(self) -> list[Path]:
        return list((self.sizes / ".making").iterdir())


@pytest.fixture
def server():
    with PictureServer() as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path, server: PictureServer):
    data = tmp_path / "data"
    shop = Shop(Settings(data=data, database_url=url_of(data)), tmp_path, server)
    yield shop
    shop.database.close()


def about(color: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return len(color) == len(expected) and all(abs(a - b) < 12 for a, b in zip(color, expected, strict=True))


# Making them.


def test_a_picture_comes_in_every_size_below_its_own_and_is_fetched_once(shop, server):
    server.pictures["/mug.jpg"] = picture(1000, 500, kind="jpeg")
    shop.names("/mug.jpg", "/mug.jpg")

    first, second = shop.make(), shop.make()

    mug = shop.made("/mug.jpg")
    assert (mug.width, mug.height, mug.widths) == (1000, 500, [160, 320, 480, 640, 960, 1000])
    assert mug.color.startswith("#f") and len(mug.color) == 7
    assert {path.name for path in mug.folder.iterdir()} == {
        f"{width}.{kind}" for width in mug.widths for kind in ("avif", "webp")
    }
    for kind in ("avif", "webp"):
        assert mug.size(320, kind).size == (320, 160)
        assert about(mug.pixel(0.5, 0.5, kind), (255, 99, 71))
    assert ((first.made, first.unchanged), (second.made, second.unchanged)) == ((1, 0), (0, 1))
    assert server.asked == ["/mug.jpg"]
    assert not shop.unfinished


def turned() -> bytes:
    """Stored on its side, as phones do: red on top when seen upright, blue below. With the place it was taken at."""
    image = Image.new("RGB", (300, 200), "blue")
    image.paste("red", (0, 0, 150, 200))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    return encoded(image, "jpeg", exif=exif, quality=95)


def cut_out() -> bytes:
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    image.paste((0, 128, 0, 255), (100, 100, 300, 300))
    return encoded(image, "png")


def animated() -> bytes:
    frames = [Image.new("P", (200, 100)) for _ in range(3)]
    for frame, color in zip(frames, ((0, 0, 255), (255, 0, 0), (255, 255, 0)), strict=True):
        frame.putpalette(color)
    return encoded(frames[0], "gif", save_all=True, append_images=frames[1:])


def wide_gamut() -> bytes:
    """Its profile says that what it calls red is green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    swapped = bytearray(profile)
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    return picture(200, 200, "red", icc_profile=bytes(swapped))


def mostly_navy() -> bytes:
    image = Image.new("RGB", (3000, 2000), "navy")
    image.paste("white", (0, 0, 900, 2000))
    return encoded(image, "jpeg")


def test_whatever_a_camera_or_a_program_writes_is_shown_as_it_is_meant(shop, server):
    server.pictures = {
        "/turned.jpg": turned(),
        "/cut-out.png": cut_out(),
        "/opaque.png": picture(300, 300, "teal", mode="RGBA"),
        "/print.jpg": picture(300, 300, (0, 255, 255, 0), "jpeg", "CMYK"),
        "/sixteen-bits.png": encoded(Image.new("I;16", (200, 200), 0x8000), "png"),
        "/animated.gif": animated(),
        "/profile.png": wide_gamut(),
        "/big.jpg": mostly_navy(),
        "/dot.png": picture(1, 1),
        "/tower.png": picture(30, 20_000),
        "/new.avif": picture(300, 200, "teal", "avif"),
        "/drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40.2 30"><path d="M0 0h9"/></svg>',
    }
    shop.names(*server.pictures)

    assert shop.broken() == {}

    made = {src.strip("/").partition(".")[0]: shop.made(src) for src in server.pictures}
    for kind in ("avif", "webp"):
        assert (made["turned"].width, made["turned"].height) == (200, 300)
        assert about(made["turned"].pixel(0.5, 0.1, kind), (254, 0, 0))
        assert about(made["turned"].pixel(0.5, 0.9, kind), (0, 0, 254))
        assert about(made["cut-out"].pixel(0.5, 0.5, kind), (0, 128, 0, 255))
        assert made["cut-out"].pixel(0, 0, kind)[3] == 0
        assert about(made["opaque"].pixel(0.5, 0.5, kind), (0, 128, 128))
        assert about(made["print"].pixel(0.5, 0.5, kind), (255, 0, 0))
        assert about(made["sixteen-bits"].pixel(0.5, 0.5, kind), (128, 128, 128))
        assert about(made["animated"].pixel(0.5, 0.5, kind), (0, 0, 255))
        assert about(made["profile"].pixel(0.5, 0.5, kind), (0, 255, 0))
        for each in made.values():
            for width in each.widths:
                image = each.size(width, kind)
                assert not image.getexif() and "icc_profile" not in image.info
    assert (made["big"].width, made["big"].widths[-1]) == (3000, 1920)
    assert about(tuple(bytes.fromhex(made["big"].color[1:])), (0, 0, 128))
    assert (made["cut-out"].color, made["opaque"].color) == ("", "#008080")
    assert (made["dot"].widths, made["tower"].widths) == ([1], [24])
    assert (made["drawing"].width, made["drawing"].height, made["drawing"].widths) == (40, 30, [])


def test_files_of_the_shop_itself_are_found_and_their_changes_too(shop, server, tmp_path):
    photos = shop.settings.images / "photos"
    photos.mkdir(parents=True)
    (photos / "sun set.png").write_bytes(picture(200, 100))
    (tmp_path / "secret.png").write_bytes(picture(200, 100))
    (photos / "link.png").symlink_to(tmp_path / "secret.png")
    found = ["/images/photos/sun%20set.png?v=1", "/static/img/demo/teapot.webp"]
    missing = [
        "/images/gone.png",
        "/images/../../secret.png",
        "/images/%2e%2e/%2e%2e/secret.png",
        "/images/photos/link.png",
    ]
    shop.names(*found, *missing, "/images/photos", "/images/%00", "/elsewhere/mug.png")

    first = shop.make()
    before = shop.made(found[0]).folder
    (photos / "sun set.png").write_bytes(picture(400, 100))
    (shop.settings.images / "gone.png").write_bytes(picture(10, 10))
    second = shop.make()

    assert first.made == 2
    assert [problem.reason for problem in first.broken[:-1]] == ["no such file"] * 6
    assert "not among this shop's own pictures" in first.broken[-1].reason
    assert (second.made, second.unchanged, len(second.broken)) == (2, 1, 6)
    assert (shop.made(found[0]).width, shop.made(missing[0]).width) == (400, 10)
    assert shop.made(found[0]).folder != before


# What is broken.


def bomb() -> bytes:
    """A file of a few bytes that says it has 900 million pixels."""
    png = picture(1, 1)
    header = png[12:16] + struct.pack(">II", 30_000, 30_000) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def test_what_is_broken_is_listed_and_asked_for_again_only_when_told(shop, server):
    server.pictures = {
        "/truncated.jpg": picture(500, 500, kind="jpeg")[:3000],
        "/bomb.png": bomb(),
        "/text.jpg": b"no picture at all",
        "/heavy.png": os.urandom(300_000),
        "/fine.png": picture(40, 40),
    }
    server.answers = {
        "/page.png": picture_server.page,
        "/cut-off.png": picture_server.cut_off,
        "/endless.png": picture_server.endless,
        "/round.png": picture_server.to("/and-round.png"),
        "/and-round.png": picture_server.to("/round.png"),
        "/to-a-file.png": picture_server.to("file:///etc/hostname"),
        "/moved.png": picture_server.to("fine.png"),
        "/busy.png": picture_server.busy_once,
    }
    server.pictures["/busy.png"] = server.pictures["/fine.png"]
    reasons = {
        "/missing.png": "its server answers 404 Not Found",
        "/truncated.jpg": "damaged: ",
        "/bomb.png": "more than 80 million pixels",
        "/text.jpg": "not a picture that browsers show",
        "/heavy.png": "a file of more than 0.2 MB",
        "/page.png": "not a picture that browsers show",
        "/cut-off.png": "its server broke off",
        "/endless.png": "a file of more than 0.2 MB",
        "/round.png": "more than 5 redirects",
        "/to-a-file.png": "redirects to what is no http or https address",
        "http://127.0.0.1:1/closed.png": "its server can't be reached",
        "http://no..such..host/mug.png": "not an address that can be asked",
    }
    fine = ["/fine.png", "/moved.png", "/busy.png"]
    shop.names(*reasons, *fine)

    limits = Limits(bytes=200_000, pauses=(0.01,))

    report = shop.make(limits=limits)

    assert [(problem.product, problem.src) for problem in report.broken] == [
        (f"product-{number}", shop.at(src)) for number, src in enumerate(reasons, 1)
    ]
    for problem, reason in zip(report.broken, reasons.values(), strict=True):
        assert problem.reason.startswith(reason), problem
    assert report.made == len(fine)

    server.asked.clear()
    assert shop.make(limits=limits).broken == report.broken
    assert server.asked == []

    server.pictures["/missing.png"] = picture(40, 40, "teal")
    server.answers.clear()
    again = shop.make(again=True)
    assert (again.made, again.unchanged, len(again.broken)) == (1, len(fine), len(reasons) - 1)
    assert not set(fine) & set(server.asked)


def test_a_slow_server_does_not_keep_the_run_waiting(shop, server):
    server.answers = {
        "/drop-by-drop.png": picture_server.drop_by_drop,
        "/head-drop-by-drop.png": picture_server.head_drop_by_drop,
        "/silent.png": picture_server.silent,
    }
    shop.names(*server.answers)

    assert set(shop.broken(limits=Limits(seconds=0.5, silence=0.4)).values()) == {"its server is too slow"}
    assert set(server.asked) == set(server.answers)


def test_a_picture_that_keeps_a_decoder_busy_ends_with_its_process_alone(shop, server):
    server.pictures = {"/a.png": picture(40, 40)}
    shop.names("/a.png")

    assert shop.broken(limits=Limits(seconds_to_shrink=0)) == {"product-1": "takes too long to read"}
    assert shop.broken(again=True) == {}


def test_a_full_disk_stops_the_run_and_breaks_no_picture(shop):
    shop.names("/static/img/demo/teapot.webp")

    with pytest.raises(OSError, match="File too large"), files_of_at_most(1000):
        shop.make()

    assert (shop.folders, shop.row("/static/img/demo/teapot.webp")) == (set(), None)
    assert shop.make().made == 1


# What changes.


def test_servers_are_asked_for_what_has_changed_only_when_told(shop, server):
    server.pictures = {"/same.png": picture(40, 40), "/new.png": picture(50, 50)}
    shop.names(*server.pictures)
    shop.make()
    same, new = shop.made("/same.png").folder, shop.made("/new.png").folder
    server.pictures["/new.png"] = picture(60, 60)

    report = shop.make(refresh=True)

    assert (report.made, report.unchanged, report.broken) == (1, 1, [])
    assert (shop.made("/same.png").folder, shop.made("/new.png").width) == (same, 60)

    del server.pictures["/same.png"]
    assert shop.broken(refresh=True) == {"product-1": "its server answers 404 Not Found"}
    assert shop.made("/same.png").folder == same, "what was made of it before is still shown"

    assert pictures.prune(shop.database, shop.settings) == 0
    assert shop.folders == {same.name, shop.made("/new.png").folder.name}
    assert new.name not in shop.folders


def test_what_no_product_names_any_more_is_removed(shop, server, tmp_path):
    server.pictures = {f"/{color}.png": picture(40, 40, color) for color in ("teal", "tomato", "gold")}
    shop.names(*server.pictures)
    shop.make()
    teal, tomato, gold = (shop.made(src).folder for src in server.pictures)
    _also_sold_by_another_catalogue(shop, "/tomato.png")
    (shop.sizes / "of-the-merchant").mkdir()
    shop.names("/teal.png", "/teal.png", "/teal.png")

    assert pictures.prune(shop.database, shop.settings) == 2

    assert shop.folders == {teal.name, tomato.name, "of-the-merchant"}
    assert shop.row("/tomato.png") is shop.row("/gold.png") is None
    assert not gold.exists() and not shop.unfinished


def _also_sold_by_another_catalogue(shop: Shop, src: str) -> None:
    path = shop.settings.data / "catalogues" / "other.sqlite3"
    other = Database(f"sqlite:///{path}")
    other.migrate()
    with shop.database.reading() as connection, other.writing() as copy:
        copy.execute(
            table.insert(),
            dict(connection.execute(sa.select(table).where(table.c.src == shop.at(src))).one()._mapping),
        )
    other.close()


def test_sizes_that_were_lost_are_made_again(shop, server):
    server.pictures = {"/a.png": picture(40, 40)}
    shop.names("/a.png")
    shop.make()
    folder = shop.made("/a.png").folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

    assert shop.make().made == 1
    assert shop.made("/a.png").size(40).size == (40, 40)


def test_servers_in_private_networks_are_asked_only_when_told(shop, server):
    """However they are named. "[::ffff:…]" is an IPv4 address, written as one of IPv6."""
    server.pictures = {"/a.png": picture(40, 40)}
    names = [
        server.url("/a.png").replace("127.0.0.1", name) for name in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]")
    ]
    shop.names(*names)

    broken = shop.broken(private=False)

    assert set(broken.values()) == {"its server is in a private network: `shop images --again --private` asks it"}
    assert (len(broken), server.asked) == (3, [])
    assert shop.make(again=True).made == 3


def test_both_databases_keep_what_was_made(either_database, settings):
    made = pictures.make(either_database, settings)
    again = pictures.make(either_database, settings, again=True, refresh=True)

    assert made.made == again.unchanged >= 2
    assert (made.broken, again.made) == ([], 0)
    with either_database.reading() as connection:
        assert pictures.count_unmade(connection) == 0
    assert pictures.prune(either_database, settings) == 0


# Interruptions.


@contextmanager
def running(shop: Shop):
    """`shop images` in a process of its own, killed at the end of the block, whatever it is doing."""
    environ = shop_environ(SHOP_DATA=str(shop.settings.data), SHOP_SECRET_KEY="a key of the tests alone")
    process = start_shop(["images", "--private"], environ)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.sqlite  # where one who writes keeps all others from it
def test_what_was_killed_at_any_moment_goes_on_where_it_stopped(shop, server):
    server.pictures = {
        "/first.png": picture(40, 40),
        "/second.png": encoded(Image.effect_noise((600, 600), 80), "png"),
        "/third.png": picture(60, 60),
    }
    shop.names(*server.pictures)
    first, second, third = server.pictures

    # While two are fetched, and another is done.
    server.answers = {second: picture_server.held, third: picture_server.held}
    with running(shop):
        wait_until(lambda: shop.row(first) and len(server.asked) == 3, 30, "the first picture")
    assert shop.row(second) is None

    # While sizes are written.
    del server.answers[second]
    with running(shop):
        wait_until(lambda: list((shop.sizes / ".making").glob("*/*.avif")), 30, "a size of the second picture")
    assert shop.row(second) is None

    # When they are in their place, and their row is not.
    with running(shop) as process:
        wait_until(lambda: server.asked.count(third) == 3, 30, "the third picture")
        with shop.database.writing():
            server.open.set()
            wait_until(lambda: len(shop.folders) == 3, 60, "all sizes")
            process.kill()
    assert shop.row(third) is None
    times = {path: path.stat().st_mtime_ns for path in shop.sizes.glob("*/*.*")}

    report = shop.make()

    assert (report.made + report.unchanged, report.broken) == (3, [])
    assert {path: path.stat().st_mtime_ns for path in shop.sizes.glob("*/*.*")} == times, "none was made twice"
    assert server.asked.count(first) == 1
    assert not shop.unfinished
    for src in server.pictures:
        made = shop.made(src)
        for width in made.widths:
            for kind in ("avif", "webp"):
                made.size(width, kind).load()


def test_two_runs_at_once_do_not_get_in_each_others_way(shop, server):
    server.pictures = {"/a.png": picture(40, 40)}
    server.answers = {"/a.png": picture_server.held}
    shop.names("/a.png")

    with ThreadPoolExecutor() as another:
        first = another.submit(shop.make)
        wait_until(lambda: server.asked, 30, "the first run")
        with pytest.raises(AtWork):
            shop.make()
        with pytest.raises(AtWork):
            pictures.prune(shop.database, shop.settings)
        server.open.set()

        assert first.result() == Report(made=1)


def test_a_problem_names_its_product(shop):
    shop.names("/images/gone.png")

    assert shop.make().broken == [Problem("product-1", "/images/gone.png", "no such file")]
