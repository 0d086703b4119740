"""Accessibility as axe-core sees it: WCAG 2.0 to 2.2, A and AA, and best practice."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

# All rules of these kinds but one are run without being asked for; nothing but violations is looked up in detail.
OPTIONS = '{ resultTypes: ["violations"], rules: { "target-size": { enabled: true } } }'
COLOURS = '{ resultTypes: ["violations"], runOnly: ["color-contrast", "link-in-text-block"] }'


@cache
def _axe() -> str:
    (script,) = Path(axe_playwright_python.__file__).parent.rglob("axe.min.js")
    return script.read_text()


def violations(page: Page, colours_alone: bool = False) -> list[str]:
    """What is wrong with the page as it is now, a line each: the rule, and the first element that breaks it.

    The script runs by the debugger's hand, which the page's content security policy doesn't concern.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    options = COLOURS if colours_alone else OPTIONS
    said = "found.violations.map((each) => `${each.id}: ${each.help}: ${each.nodes[0].html}`)"
    return page.evaluate(f"axe.run({options}).then((found) => {said})")
