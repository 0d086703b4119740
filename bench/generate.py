"""A made-up product export of any size: `python -m bench.generate --products 100000 --out products.csv`.

The same seed and number give the same file. What makes catalogues hard is in it: words, tags and vendors of which a
few are everywhere and most are rare, collections from a handful to half the shop, options in several spellings,
sold-out and hidden products, titles in two alphabets.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate, product
from pathlib import Path
from random import Random
from typing import Generic, TextIO, TypeVar

T = TypeVar("T")

COLUMNS = (
    "Handle",
    "Title",
    "Body (HTML)",
    "Vendor",
    "Type",
    "Tags",
    "Collection",
    "Published",
    "Option1 Name",
    "Option1 Value",
    "Option2 Name",
    "Option2 Value",
    "Option3 Name",
    "Option3 Value",
    "Variant SKU",
    "Variant Inventory Tracker",
    "Variant Inventory Qty",
    "Variant Inventory Policy",
    "Variant Price",
    "Variant Compare At Price",
    "Image Src",
    "Image Alt Text",
    "Status",
)


def _listed(text: str) -> list[str]:
    return text.split()


THINGS = _listed(
    "Teapot Mug Bowl Plate Shirt Blanket Cushion Lamp Clock Poster Chair Stool Table Vase Candle Basket Towel Apron"
    " Notebook Pencil Backpack Wallet Belt Scarf Hat Glove Sock Coat Dress Skirt Sandal Boot Kettle Pan Knife Spoon"
    " Board Tray Jar Bottle Rug Curtain Mirror Shelf Hook Box Bag Pouch Ring Bracelet Necklace Earring Brooch Soap"
    " Oil Tea Coffee Honey Чайник Чашка Тарелка Рубашка Плед Лампа Часы Стул Ваза Свеча Корзина Полотенце Блокнот"
)
QUALITIES = _listed(
    "Clay Linen Oak Walnut Cotton Wool Silk Copper Brass Steel Glass Marble Leather Cork Bamboo Paper Felt Small"
    " Large Round Square Tall Light Heavy Soft Striped Carved Woven Folding Everyday Vintage Nordic Rustic Fine Crème"
    " Bright Льняной Медный Белый Синий Большой"
)
COLOURS = _listed("White Black Blue blue Red Green Grey Sand Rose Olive Navy Ochre Plum Mint Rust Ivory Teal Синий")
SIZES = _listed("XS S M L XL XXL 36 37 38 39 40 41 42 43 44")
MATERIALS = _listed("Cotton Linen Wool Oak Walnut Steel Brass Glass Leather Cork")
COLLECTION_NAMES = _listed("Kitchen Clothing Home Paper Garden Travel Bath Children Table Winter Summer Gifts")


class Zipf(Generic[T]):
    """Draws from `things`, the first most often: the n-th about 1/n as often as the first."""

    def __init__(self, random: Random, things: Sequence[T], exponent: float = 1.0) -> None:
        self._random = random
        self._things = things
        self._weights = list(accumulate(1 / (place + 3) ** exponent for place in range(len(things))))

    def draw(self, count: int) -> list[T]:
        return self._random.choices(self._things, cum_weights=self._weights, k=count)

    def one(self) -> T:
        return self.draw(1)[0]


class Catalogue:
    """A made-up catalogue of about `size` products."""

    def __init__(self, size: int, seed: int) -> None:
        self._random = random = Random(seed)
        self.size = size
        self.words = Zipf(random, _words(random, 2_000 + int(size**0.5) * 150), 1.05)
        names = [word.title() for word in _words(random, 12 + int(size**0.55))]
        self.vendors = Zipf(random, [f"{name} & Co" if place % 5 == 0 else name for place, name in enumerate(names)])
        self.types = Zipf(random, _titles(THINGS, min(400, 8 + size // 2_500)))
        self.collections = Zipf(random, _titles(COLLECTION_NAMES, max(8, min(500, size // 2_000))))
        self.tags = Zipf(random, _words(random, 20 + int(size**0.6)))
        self.qualities = Zipf(random, QUALITIES, 0.7)
        self.things = Zipf(random, THINGS, 0.7)
        self.colours = Zipf(random, COLOURS)
        self.sizes = Zipf(random, SIZES, 0.5)
        self.materials = Zipf(random, MATERIALS, 0.5)

    def rows(self, number: int) -> Iterator[dict[str, object]]:
        """The rows of one product: the first with all that it is, then its other variants."""
        random = self._random
        title = " ".join([self.qualities.one(), *self.words.draw(random.choice((0, 1, 1, 2))), self.things.one()])
        named = self._options()
        price = max(150, int(random.lognormvariate(8, 1)) // 50 * 50)
        tracked = random.random() < 0.95
        gone = random.random() < 0.05
        first: dict[str, object] = {
            "Title": title,
            "Body (HTML)": f"<p>{' '.join(self.words.draw(random.randint(10, 50)))}.</p>",
            "Vendor": self.vendors.one(),
            "Type": self.types.one(),
            "Tags": ", ".join(self.tags.draw(random.choice((0, 1, 2, 3, 3, 4, 6)))),
            "Collection": "; ".join(self.collections.draw(random.choice((1, 1, 1, 2)))),
            "Published": "false" if random.random() < 0.02 else "true",
            "Status": "draft" if random.random() < 0.01 else "active",
            **{f"Option{place} Name": name for place, (name, _) in enumerate(named, start=1)},
        }
        if random.random() < 0.85:
            first |= {"Image Src": f"https://pictures.example/{number}.jpg", "Image Alt Text": title}
        for values in product(*(values for _, values in named)):
            dearer = random.choice((0, 0, 0, 500))
            on_sale = random.random() < 0.1
            yield first | {
                "Handle": f"product-{number}",
                **{f"Option{place} Value": value for place, value in enumerate(values, start=1)},
                "Variant SKU": f"{number}-{random.randrange(1000)}",
                "Variant Inventory Tracker": "shopify" if tracked else "",
                "Variant Inventory Qty": 0 if gone else random.randrange(200),
                "Variant Inventory Policy": "deny",
                "Variant Price": _money(price + dearer),
                "Variant Compare At Price": _money((price + dearer) * 5 // 4) if on_sale else "",
            }
            first = {}

    def _options(self) -> list[tuple[str, list[str]]]:
        """None to three options with some values each."""
        random = self._random
        found = []
        if random.random() < 0.45:
            name = random.choice(("Colour", "Colour", "Colour", "colour", "Color"))
            found.append((name, _different(self.colours.draw(random.randint(1, 4)))))
        if random.random() < 0.35:
            found.append(("Size", _different(self.sizes.draw(random.randint(1, 4)))))
        if random.random() < 0.1:
            found.append(("Material", _different(self.materials.draw(random.randint(1, 2)))))
        return found


def write(file: TextIO, products: int, seed: int = 1) -> Iterator[int]:
    """Write an export of so many products to `file`. Gives each one's number when it is written."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    catalogue = Catalogue(products, seed)
    for number in range(1, products + 1):
        writer.writerows(catalogue.rows(number))
        yield number


def _words(random: Random, count: int) -> list[str]:
    """Different words that can be pronounced, a tenth of them Russian; the first are the shortest."""
    latin = _listed("b c d f g l m n p r s t v ch st tr"), _listed("a e i o u ea ou"), ["", "", "n", "r", "s", "t"]
    russian = _listed("б в г д к л м н п р с т ч ст тр"), _listed("а е и о у я"), ["", "", "н", "р", "к"]
    found: dict[str, None] = {}
    while len(found) < count:
        starts, vowels, ends = russian if len(found) % 10 == 9 else latin
        syllables = 2 + (random.random() < len(found) / count)
        word = "".join(random.choice(starts) + random.choice(vowels) for _ in range(syllables)) + random.choice(ends)
        if word not in found or random.random() < 0.01:
            found[word] = None
        elif len(found) > 5_000:
            found[f"{word}{random.choice(starts)}{random.choice(vowels)}"] = None
    return list(found)


def _titles(names: Sequence[str], count: int) -> list[str]:
    """So many different titles: the names, then the names with numbers."""
    return [
        names[place % len(names)] + (f" {place // len(names) + 1}" if place >= len(names) else "")
        for place in range(count)
    ]


def _different(values: Sequence[str]) -> list[str]:
    """Each once, however it is written: two spellings of a value would be one item."""
    return list({value.lower(): value for value in values}.values())


def _money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a made-up product export in Shopify's older dialect.")
    parser.add_argument("--products", type=int, required=True, help="how many")
    parser.add_argument("--out", type=Path, required=True, help="the CSV file to write")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with arguments.out.open("w", encoding="utf-8", newline="") as file:
        for number in write(file, arguments.products, arguments.seed):
            if sys.stderr.isatty() and number % 10_000 == 0:
                print(f"\r{number:,}", end="", file=sys.stderr)


if __name__ == "__main__":
    main()
