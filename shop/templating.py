"""Jinja templates as they are compiled here: once for each language, with what never changes put in beforehand.

Beside what Jinja does itself, constant texts are translated, constant addresses are worked out, and the fragments
that a template includes become part of it, when it is compiled. Making a page then looks up none of them: an include
costs a copy of all that templates know, and a page has dozens of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from types import CodeType
from typing import Any, cast

from flask import Flask
from flask.templating import Environment as FlaskEnvironment
from jinja2 import PrefixLoader, Template, nodes
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer

from shop import language

_GETTEXT = frozenset({"_", "gettext"})
_ADDRESSES = frozenset({"url_for", "asset"})  # the same all the while that a process lives
_FILLED_IN = re.compile(r"%\((\w+)\)s")


class _Template(Template):
    def new_context(
        self,
        vars: dict[str, Any] | None = None,
        shared: bool = False,
        locals: Mapping[str, Any] | None = None,
    ) -> Context:
        """As Jinja's, of globals that are all the environment's: its way to look through layers of them is slow."""
        if not shared:
            vars, shared = {**self.environment.globals, **(vars or {})}, True
        return super().new_context(vars, shared, locals)


class Environment(FlaskEnvironment):
    """Gives the template of a name in the language that is spoken."""

    template_class = _Template

    def get_template(
        self,
        name: str | Template,
        parent: str | None = None,  # noqa: ARG002, names are never relative here
        globals: MutableMapping[str, Any] | None = None,
    ) -> Template:
        if isinstance(name, str):
            name = f"{language.spoken()}/{name}"
        return super().get_template(name, None, globals)

    def compile(  # type: ignore[override]
        self,
        source: str | nodes.Template,
        name: str | None = None,
        filename: str | None = None,
        raw: bool = False,
        defer_init: bool = False,
    ) -> str | CodeType:
        if isinstance(source, str):
            source = self.parse(source, name, filename)
        finished = _Finished(self).visit(source)
        compiled: str | CodeType = super().compile(finished, name, filename, raw, defer_init)  # type: ignore[call-overload]
        return compiled


class Languages(PrefixLoader):
    """The same templates under the code of every language: `"ru/layout.html"`."""

    def __init__(self, loader: Any) -> None:
        super().__init__(dict.fromkeys(language.available(), loader))


class _Finished(NodeTransformer):
    """Puts included fragments and constant texts in their places."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def visit_Include(self, node: nodes.Include) -> nodes.Node:
        if not (isinstance(node.template, nodes.Const) and node.with_context and not node.ignore_missing):
            return node
        loader = self._environment.loader
        assert loader is not None
        name = f"{language.spoken()}/{node.template.value}"
        source, filename, _ = loader.get_source(self._environment, name)
        included = self.visit(self._environment.parse(source, name, filename))
        # A scope, so that what the fragment sets for itself stays in it, as with Jinja's own include.
        return nodes.Scope(included.body, lineno=node.lineno)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        values = [each.value for each in node.args if isinstance(each, nodes.Const)]
        constant = len(values) == len(node.args) and not (node.dyn_args or node.dyn_kwargs)
        if not isinstance(node.node, nodes.Name) or not constant:
            return node
        if node.node.name in _GETTEXT:
            return self._text(language.translation(*values), node)
        if node.node.name in _ADDRESSES and not node.kwargs:
            function: Any = self._environment.globals[node.node.name]
            with cast(Flask, self._environment.app).app_context():
                address = function(*values)
            return nodes.Const(address, lineno=node.lineno)
        return node

    def _text(self, text: str, node: nodes.Call) -> nodes.Node:
        values = {each.key: each.value for each in node.kwargs}
        # As Jinja's newstyle gettext has it: the text is trusted, what is filled in is not.
        parts = [
            values[part] if place % 2 else nodes.MarkSafeIfAutoescape(nodes.Const(part.replace("%%", "%")))
            for place, part in enumerate(_FILLED_IN.split(text))
            if part
        ]
        return nodes.Concat(parts, lineno=node.lineno).set_environment(self._environment)
