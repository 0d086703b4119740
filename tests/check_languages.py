"""Does every text have its translations? `make check` asks, by `python -m tests.check_languages`.

It collects the texts of the code as `make languages` does and compares them with each `messages.po`. And it reads the
templates for text that no gettext speaks: words between tags, in attributes that people read or hear, in literals.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator

from babel.messages import Catalog, Message
from babel.messages.pofile import read_po
from bs4 import BeautifulSoup
from jinja2 import Environment, nodes

from shop import language
from tests.live import PROJECT

TEMPLATES = PROJECT / "templates"
READ_ALOUD = ("alt", "aria-description", "aria-label", "aria-roledescription", "aria-valuetext", "content", "label")
READ_ATTRIBUTES = (*READ_ALOUD, "placeholder", "summary", "title")
NOT_PROSE = ("code", "script", "style", "[translate=no]", "meta:not([name=description])")

_WORD = re.compile(r"[^\W\d_]{2,}")
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_TAG = re.compile(r"<[^>]*>")


def main() -> int:
    texts = _texts_of_the_code()
    complaints = [*_bad_sources(texts), *_bare_texts()]
    for code in language.available()[1:]:
        path = language.LOCALE_FOLDER / code / "LC_MESSAGES" / "messages.po"
        with path.open("rb") as file:
            complaints += [f"{code}: {complaint}" for complaint in _differences(texts, read_po(file, locale=code))]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        print("`make languages` brings new texts into the .po files.", file=sys.stderr)
        return 1
    print(f"{len(texts)} texts are there in {', '.join(language.available())}")
    return 0


def _texts_of_the_code() -> Catalog:
    with tempfile.NamedTemporaryFile(suffix=".pot") as file:
        extract = [sys.executable, "-m", "babel.messages.frontend", "-q", "extract", "-F", "pyproject.toml"]
        subprocess.run([*extract, "-o", file.name, "shop", "templates"], cwd=PROJECT, check=True)
        return read_po(file)


def _differences(texts: Catalog, translations: Catalog) -> Iterator[str]:
    wanted, found = {_key(text) for text in texts if text.id}, {_key(text) for text in translations if text.id}
    for name, keys in (("missing", wanted - found), ("no longer in the code", found - wanted)):
        yield from (f"{name}: “{key[0]}”" for key in sorted(keys))
    yield from (f"obsolete: “{text}”" for text in translations.obsolete)
    for translation in translations:
        if translation.id:
            yield from (f"{problem}: “{_key(translation)[0]}”" for problem in _problems(translation, translations))


def _problems(translation: Message, catalog: Catalog) -> Iterator[str]:
    sources, forms = _forms(translation.id), _forms(translation.string)
    if translation.fuzzy:
        yield "fuzzy"
    if not all(forms) or (translation.pluralizable and len(forms) != catalog.num_plurals):
        yield "empty"
    elif any(_marks(form) not in [_marks(source) for source in sources] for form in forms):
        yield "placeholders or tags differ"
    elif not all(map(_can_be_filled_in, forms)):
        yield "a percent sign is written %%"


def _bad_sources(texts: Catalog) -> Iterator[str]:
    for text in texts:
        if text.id and not all(map(_can_be_filled_in, _forms(text.id))):
            yield f"a percent sign is written %%: “{_key(text)[0]}”"


def _can_be_filled_in(text: str) -> bool:
    try:
        text % dict.fromkeys(_PLACEHOLDER.findall(text), "")
    except (ValueError, TypeError, KeyError):
        return False
    return True


def _marks(text: str) -> Counter[str]:
    """What a translation keeps of its source: placeholders and tags, in any order."""
    return Counter({f"%({name})s": 1 for name in _PLACEHOLDER.findall(text)}) + Counter(_TAG.findall(text))


def _key(text: Message) -> tuple[str, ...]:
    return _forms(text.id)


def _forms(text: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _bare_texts() -> Iterator[str]:
    """A line for each text in a template that is written there outside gettext."""
    environment = Environment(autoescape=True, extensions=["jinja2.ext.i18n"])
    environment.newstyle_gettext = True
    for path in sorted([*TEMPLATES.rglob("*.html"), *TEMPLATES.glob("mail/*.txt")]):
        template = environment.parse(path.read_text())
        name = path.relative_to(PROJECT)
        for text in dict.fromkeys((*_shown(_skeleton(template)), *_assigned(template))):
            yield f"{name}: not spoken by gettext: “{text}”"


def _skeleton(template: nodes.Template) -> str:
    """What the template writes whatever happens: its own text, with a 0 for each value."""
    return "".join(
        part.data if isinstance(part, nodes.TemplateData) else " ".join(_literals(part)) or "0"
        for output in template.find_all(nodes.Output)
        for part in output.nodes
    )


def _literals(value: nodes.Node) -> Iterator[str]:
    """The literal strings that an expression may come to."""
    match value:
        case nodes.Const(value=str() as text):
            yield text
        case nodes.CondExpr(expr1=first, expr2=second):
            yield from _literals(first)
            if second:
                yield from _literals(second)
        case nodes.Concat(nodes=parts):
            for part in parts:
                yield from _literals(part)
        case nodes.Or(left=left, right=right) | nodes.And(left=left, right=right):
            yield from _literals(left)
            yield from _literals(right)


def _shown(html: str) -> Iterator[str]:
    page = BeautifulSoup(html, "html.parser")
    for element in page.select(", ".join(NOT_PROSE)):
        element.decompose()
    for text in page.stripped_strings:
        if _WORD.search(text):
            yield " ".join(text.split())
    for element in page.find_all(True):
        for name in READ_ATTRIBUTES:
            if _WORD.search(str(element.get(name, ""))):
                yield str(element[name])


def _assigned(template: nodes.Template) -> Iterator[str]:
    """Literals that are handed on under a name and look like text: they begin with a capital."""
    for holder in (*template.find_all(nodes.With), *template.find_all(nodes.Assign)):
        values = holder.values if isinstance(holder, nodes.With) else [holder.node]
        for value in values:
            pairs = [pair.value for pair in value.items] if isinstance(value, nodes.Dict) else [value]
            for text in (text for each in pairs for text in _literals(each)):
                if _WORD.search(text) and text[0].isupper():
                    yield text


if __name__ == "__main__":
    sys.exit(main())
