"""Settings: typed, checked, and said in one line when they can't be."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from shop.settings import SettingError, read_settings

GOOD_KEY = "k" * 32


@pytest.fixture
def environ(tmp_path):
    return {"SHOP_DATA": str(tmp_path), "PATH": "/usr/bin"}


def test_with_none_set_there_is_a_shop(environ, tmp_path):
    settings = read_settings(environ)

    assert (settings.name, settings.currency, settings.host, settings.port) == ("Crumb", "USD", "127.0.0.1", 8000)
    assert settings.database_url == f"sqlite:///{tmp_path}/shop.sqlite3"


def test_the_secret_key_is_made_once_and_read_by_its_owner_alone(environ, tmp_path):
    first, second = read_settings(environ), read_settings(environ)

    assert first.secret_key == second.secret_key
    assert len(first.secret_key) == 64
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600
    assert first.secret_key not in repr(first)


def test_who_starts_at_once_shares_one_key(tmp_path):
    for number in range(20):
        data = {"SHOP_DATA": str(tmp_path / str(number))}
        together = Barrier(4)

        def start(data=data, together=together):
            together.wait()
            return read_settings(data).secret_key

        with ThreadPoolExecutor(4) as starting:
            keys = {each.result() for each in [starting.submit(start) for _ in range(4)]}

        assert len(keys) == 1
        assert len(keys.pop()) == 64
        assert [path.name for path in (tmp_path / str(number)).iterdir()] == ["secret-key"]


def test_each_setting_is_taken(environ):
    settings = read_settings(
        environ
        | {
            "SHOP_NAME": " Tea & Co ",
            "SHOP_CURRENCY": "JPY",
            "SHOP_LOCALE": "de-DE",
            "SHOP_HTTPS": "1",
            "SHOP_ORIGIN": "https://shop.example:8443",
            "SHOP_SECRET_KEY": GOOD_KEY,
            "SHOP_SECRET_KEY_FALLBACKS": f"{GOOD_KEY}a, {GOOD_KEY}b",
            "SHOP_DATABASE_URL": "postgresql+psycopg://shop@localhost/shop",
            "SHOP_PORT": "80",
            "SHOP_WORKERS": "4",
            "SHOP_USERS_COOKIE": "signed",
            "SHOP_RECENTLY_VIEWED": "0",
        }
    )

    assert settings.name == "Tea & Co"
    assert settings.locale == "de_DE"
    assert settings.https
    assert not settings.recently_viewed
    assert settings.secret_key_fallbacks == (f"{GOOD_KEY}a", f"{GOOD_KEY}b")
    assert (settings.port, settings.workers, settings.users_cookie) == (80, 4, "signed")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SHOP_NAME", " ", "a name"),
        ("SHOP_NAME", "two\nlines", "a name"),
        ("SHOP_CURRENCY", "usd", "ISO 4217"),
        ("SHOP_LOCALE", "klingon", "a locale"),
        ("SHOP_DATABASE_URL", "mysql://x", "sqlite:///"),
        ("SHOP_DATABASE_URL", "nonsense", "sqlite:///"),
        ("SHOP_DATABASE_URL", "sqlite://", "sqlite:///"),
        ("SHOP_SECRET_KEY", "short", "at least 16 characters"),
        ("SHOP_SECRET_KEY", " " * 20, "at least 16 characters"),
        ("SHOP_SECRET_KEY_FALLBACKS", "short", "earlier secret keys"),
        ("SHOP_HTTPS", "yes", "0 or 1"),
        ("SHOP_ORIGIN", "https://shop.example/", "no slash"),
        ("SHOP_ORIGIN", "shop.example", "no slash"),
        ("SHOP_ORIGIN", "https://a@shop.example", "no slash"),
        ("SHOP_ORIGIN", "https://shop.example:x", "no slash"),
        ("SHOP_ORIGIN", "https://sh op.example", "no slash"),
        ("SHOP_ORIGIN", "https://Shop.example", "small letters"),
        ("SHOP_ORIGIN", "https://чай.example", "xn--"),
        ("SHOP_HOST", "a b", "an address"),
        ("SHOP_PORT", "0", "from 1 to 65535"),
        ("SHOP_PORT", "８０", "from 1 to 65535"),
        ("SHOP_WORKERS", "65", "from 1 to 64"),
        ("SHOP_USERS_COOKIE", "plain", "sealed"),
        ("SHOP_PROT", "80", "SHOP_PORT"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_setting_and_what_it_may_be(environ, name, value, expected):
    with pytest.raises(SettingError) as caught:
        read_settings(environ | {name: value})

    assert name in str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("SHOP_SECRET_KEY", "hunter2"), ("SHOP_DATABASE_URL", "postgresql://shop:hunter2@db/shop")]
)
def test_a_secret_is_never_repeated_in_the_complaint(environ, name, value):
    with pytest.raises(SettingError) as caught:
        read_settings(environ | {name: value})

    assert "hunter2" not in str(caught.value)


def test_a_shop_whose_browsers_are_to_use_https_has_no_other_origin(environ):
    with pytest.raises(SettingError, match="SHOP_ORIGIN"):
        read_settings(environ | {"SHOP_HTTPS": "1", "SHOP_ORIGIN": "http://shop.example"})


@pytest.mark.parametrize("left", ["", "\n", "0123456789"])
def test_a_key_that_was_cut_off_seals_nothing(environ, tmp_path, left):
    (tmp_path / "secret-key").write_text(left)
    with pytest.raises(SettingError, match="secret-key"):
        read_settings(environ | {"SHOP_DATA": str(tmp_path)})
