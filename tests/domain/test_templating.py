"""Templates as they are compiled here put out what Jinja itself would."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markupsafe import Markup

from shop import create_app
from shop.asked import shop


@pytest.fixture
def made(app):
    """The text that a template makes of values."""

    def made(template, /, **values):
        with app.app_context():
            return app.jinja_env.from_string(template).render(values)

    return made


MEAN = "<b>&\"'"
ESCAPED = "&lt;b&gt;&amp;&#34;&#39;"


def test_what_is_put_out_is_escaped_once(made):
    assert made("{{ x }}", x=MEAN) == ESCAPED
    assert made("{{ x }}", x=Markup("<b>")) == "<b>"
    assert made("{{ x }}|{{ y }}|{{ z }}", x=None, y=7, z=["<"]) == "None|7|[&#39;&lt;&#39;]"
    assert made("{% set part %}<i>{{ x }}</i>{% endset %}{{ part }}", x="<") == "<i>&lt;</i>"


def test_what_is_joined_is_escaped_once(made):
    assert made("{{ 'a' ~ x ~ 1 }}", x=MEAN) == f"a{ESCAPED}1"
    assert made("{{ y ~ x }}", x="<", y=Markup("<b>")) == "<b>&lt;"
    assert made("{% set whole = y ~ x %}{{ whole }}", x="<", y=Markup("<b>")) == "<b>&lt;"
    assert made("{% set whole = 'q' ~ x %}{{ whole }}", x="<") == "q&lt;"


def test_a_condition_without_else_puts_out_nothing(made):
    assert made("[{{ 'yes' if x }}{{ x if not x }}]", x=True) == "[yes]"
    assert made("[{{ missing }}]") == "[]"


def test_a_name_that_a_value_has_not_is_an_error(made):
    assert made("{{ x.upper() }}", x="<") == "&lt;"
    with pytest.raises(AttributeError):
        made("{{ x.title }}", x={"title": "Mug"})


def test_texts_take_their_values_escaped(made):
    assert made("{{ _('No %(x)s at 5%%, %(x)s.', x=x) }}", x="<") == "No &lt; at 5%, &lt;."
    counted = "{% trans n, x %}{{ n }} <b>{{ x }}</b>{% pluralize %}{{ n }} of {{ x }}s{% endtrans %}"
    assert made(counted, n=1, x="<") == "1 <b>&lt;</b>"
    assert made(counted, n=3, x=Markup("<i>")) == "3 of <i>s"


@pytest.mark.parametrize("handle", ["mug", "a.b-c_d", "чай", "a b/c?d", "..", "~handle~", ""])
def test_an_address_is_what_the_routes_say(app, made, handle):
    with app.test_request_context():
        for values in ({"handle": handle}, {"handle": handle, "variant": "x y"}, {"handle": handle, "variant": None}):
            expected = app.url_map.bind("localhost").build("products.show", values)
            assert made("{{ url_for('products.show', **v) | safe }}", v=values) == expected
            named = "{{ url_for('products.show', handle=v['handle'], variant=v.get('variant')) | safe }}"
            assert made(named, v=values) == expected


def test_an_address_may_hold_a_number(made):
    assert made("{{ url_for('sitemap.part', number=n) }}", n=3) == "/sitemap-3.xml"


def test_two_shops_of_one_process_write_their_own_amounts(settings):
    apps = [create_app(settings), create_app(replace(settings, currency="JPY", locale="ja_JP"))]
    try:
        amounts = []
        for app in apps:
            with app.app_context():
                amounts.append(app.jinja_env.from_string("{{ 1200 | money }}").render())
                assert shop() is app.extensions["shop"]
        assert amounts[0] == "$12.00" and "1,200" in amounts[1]
    finally:
        for app in apps:
            app.extensions["shop"].database.close()
