"""Accessibility as axe-core sees it: WCAG 2.2 AA and best practice."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page


@cache
def _axe() -> str:
    (script,) = Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")
    return script.read_text()


def violations(page: Page) -> list[str]:
    """What is wrong with the page as it is now, a line each: the rule, and the first element that breaks it.

    The script runs by the debugger's hand, which the page's content security policy doesn't concern.
    """
    page.evaluate(_axe())
    found = page.evaluate("axe.run()")["violations"]
    return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html']}" for each in found]
