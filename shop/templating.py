"""Jinja templates as they are compiled here: once for each language, with what never changes put in beforehand.

Beside what Jinja does itself, constant texts are translated, constant addresses are worked out, and the fragments
that a template includes become part of it, when it is compiled. Making a page then looks up none of them: an include
costs a copy of all that templates know, and a page has dozens of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, cast

from flask import Flask
from flask.templating import Environment as FlaskEnvironment
from jinja2 import Environment as JinjaEnvironment
from jinja2 import PrefixLoader, Template, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, markup_join
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, _escape_inner, escape  # type: ignore[attr-defined]

from shop import language

_GETTEXT = frozenset({"_", "gettext"})
_ADDRESSES = frozenset({"url_for", "asset"})  # the same all the while that a process lives
_FILLED_IN = re.compile(r"%\((\w+)\)s")


def _text(value: object) -> str:
    """`value` as a template puts it out: escaped, unless it is markup already.

    As markupsafe's `escape`, which templates call otherwise. But what is put out is only joined after that: to have
    it known as safe, for each of a page's thousand texts, takes longer than to escape it.
    """
    kind = type(value)
    if kind is Markup:
        return value  # type: ignore[return-value]
    if kind is str:
        return _escape_inner(value)  # type: ignore[arg-type]
    return str(value) if kind is int else escape(value)


def _joined(parts: Sequence[object]) -> str:
    """As Jinja's own, of what `~` stands between: plain texts are no more than joined."""
    for part in parts:
        if type(part) is not str:
            return markup_join(parts)
    return "".join(parts)  # type: ignore[arg-type]


class _Template(Template):
    @classmethod
    def _from_namespace(
        cls,
        environment: JinjaEnvironment,
        namespace: MutableMapping[str, Any],
        globals: MutableMapping[str, Any],
    ) -> Template:
        namespace.update(escape=_text, markup_join=_joined)
        return super()._from_namespace(environment, namespace, globals)

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


class _Code(CodeGenerator):
    def blockvisit(self, nodes: Iterable[nodes.Node], frame: Frame) -> None:
        """What a block of a page puts out is gathered in a list, and handed on as one text.

        Jinja would hand on each of its thousand pieces, through the layout and the page to what joins them.
        """
        if frame.buffer is not None or not frame.block_frame:
            super().blockvisit(nodes, frame)
            return
        self.buffer(frame)
        super().blockvisit(nodes, frame)
        self.writeline(f"yield concat({frame.buffer})")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:
        """`{{ card.title }}` is the attribute and nothing else, an error where there is none.

        Jinja would look for an item of that name too, and put out nothing where it finds neither.
        """
        self.write("(")
        self.visit(node.node, frame)
        self.write(f").{node.attr}")


class Environment(FlaskEnvironment):
    """Gives the template of a name in the language that is spoken."""

    code_generator_class = _Code
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


def plural(num: int, one: str, many: str, **values: object) -> Markup:
    """What `ngettext` is in templates: the form for `num` things, with `values` filled in, escaped."""
    values.setdefault("num", num)
    parts = _parts(language.plural_translation(one, many, num))
    filled_in = [_text(values[part]) if place % 2 else part for place, part in enumerate(parts)]
    return Markup("".join(filled_in))  # noqa: S704


@lru_cache(maxsize=1_000)
def _parts(text: str) -> list[str]:
    """A trusted text and the names of what is filled in, by turns."""
    return [part if place % 2 else part.replace("%%", "%") for place, part in enumerate(_FILLED_IN.split(text))]


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

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        """Puts out one by one what would be joined first, and nothing where nothing is meant for "else"."""
        self.generic_visit(node)
        children: list[nodes.Expr] = []
        for child in node.nodes:
            if isinstance(child, nodes.CondExpr) and child.expr2 is None:
                child.expr2 = nodes.Const("", lineno=child.lineno)
            children += child.nodes if isinstance(child, nodes.Concat) else [child]
        node.nodes = [_plain(child) for child in children]
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        if not isinstance(node.node, nodes.Name) or node.dyn_args or node.dyn_kwargs:
            return node
        name, constants = node.node.name, [each.value for each in node.args if isinstance(each, nodes.Const)]
        constant = len(constants) == len(node.args)
        if name in _GETTEXT and constant:
            return self._text(language.translation(*constants), node)
        if name in _ADDRESSES and constant and not node.kwargs:
            return nodes.Const(self._address(name, constants), lineno=node.lineno)
        # The others as filters, which Jinja calls without a look at what else they may be.
        if name == "ngettext" and len(constants) == 2:
            *forms, number = node.args
            return nodes.Filter(number, "plural", forms, node.kwargs, None, None, lineno=node.lineno)
        if name == "url_for":
            endpoint, *others = node.args
            return nodes.Filter(endpoint, "url_for", others, node.kwargs, None, None, lineno=node.lineno)
        return node

    def _address(self, function: str, values: Sequence[Any]) -> str:
        with cast(Flask, self._environment.app).app_context():
            address: str = self._environment.globals[function](*values)  # type: ignore[operator]
        return address

    def _text(self, text: str, node: nodes.Call) -> nodes.Node:
        values = {each.key: each.value for each in node.kwargs}
        # As Jinja's newstyle gettext has it: the text is trusted, what is filled in is not.
        parts = [
            values[part] if place % 2 else nodes.MarkSafeIfAutoescape(nodes.Const(part))
            for place, part in enumerate(_parts(text))
            if part
        ]
        return nodes.Concat(parts, lineno=node.lineno).set_environment(self._environment)


def _plain(child: nodes.Expr) -> nodes.Expr:
    """A text that is put out as it is, as a template's own are."""
    if isinstance(child, nodes.MarkSafeIfAutoescape) and isinstance(child.expr, nodes.Const):
        return nodes.TemplateData(child.expr.value, lineno=child.lineno)
    return child
