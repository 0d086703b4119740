"""What is sealed opens for this shop and this purpose alone, unchanged; and any list of users survives it."""

from __future__ import annotations

import base64
import json
import string
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shop.cookies import decode, encode
from shop.seals import Broken, Seal
from shop.users import FIELDS, User, Users

SEAL = Seal(["a key of the tests alone"], "users")
BASE64 = string.ascii_letters + string.digits + "-_="

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
SAID = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)
USER_LISTS = st.lists(
    st.builds(User, id=SAID, name=SAID, email=SAID, **dict.fromkeys(FIELDS[2:], TEXTS)), max_size=4
).map(lambda users: Users(tuple(users)))

# What may be done to one character of a value: its place, as a fraction; what comes there; and how.
CHANGES = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(BASE64) | st.characters(),
    st.sampled_from(["replace", "insert", "cut", "cut from here", "cut until here", "swap", "double"]),
)


def changed(value: str, change: tuple[float, str, str]) -> str:
    fraction, character, how = change
    place = int(fraction * len(value))
    before, here, after = value[:place], value[place : place + 1], value[place + 1 :]
    return {
        "replace": before + character + after,
        "insert": before + character + here + after,
        "cut": before + after,
        "cut from here": before,
        "cut until here": after,
        "swap": before + after[:1] + here + after[1:],
        "double": before + here + here + after,
    }[how]


def readable(users: Users) -> tuple[str, str]:
    value = encode(users.to_json())
    return value, SEAL.sign(value)


def opens(value: str, seal: Seal = SEAL) -> bool:
    try:
        seal.open(value)
    except Broken:
        return False
    return True


def passes(text: str, signature: str, seal: Seal = SEAL) -> bool:
    try:
        seal.check(text, signature)
    except Broken:
        return False
    return True


# Sealed


@given(USER_LISTS)
def test_any_list_of_users_survives_being_sealed(users):
    sealed = SEAL.seal(json.dumps(users.to_json(), ensure_ascii=False))

    assert Users.from_json(json.loads(SEAL.open(sealed))) == users
    assert set(sealed) <= set(BASE64)


@given(USER_LISTS)
def test_a_seal_never_looks_the_same_twice(users):
    text = json.dumps(users.to_json())

    assert SEAL.seal(text) != SEAL.seal(text)


@settings(max_examples=500)
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_no_changed_seal_opens(changes):
    sealed = value = SEAL.seal('[{"id":"annannan","name":"Ann","email":"ann@example.org"}]')
    for change in changes:
        value = changed(value, change)

    assert opens(value) == (value == sealed)


def test_no_seal_with_any_one_character_changed_opens():
    sealed = SEAL.seal("Ann")

    for place in range(len(sealed)):
        for character in BASE64:
            forged = sealed[:place] + character + sealed[place + 1 :]
            assert opens(forged) == (forged == sealed), (place, character)
        assert not opens(sealed[:place])
        assert not opens(sealed[:place] + sealed[place + 1 :])


@pytest.mark.parametrize("length", range(8))
def test_the_spare_bits_of_base64_are_no_second_spelling(length):
    sealed = SEAL.seal("x" * length * 16)
    spelled = [sealed + "=", sealed + "\n", " " + sealed, sealed.replace("=", ""), sealed.replace("=", "%3D")]
    spelled += [sealed.translate(str.maketrans("-_", "+/"))]
    last = len(sealed.rstrip("=")) - 1
    spelled += [sealed[:last] + character + sealed[last + 1 :] for character in BASE64]

    # Python's own reader takes some of these for the same bytes.
    same = [each for each in spelled if each != sealed and _bytes(each) == _bytes(sealed)]
    assert same
    assert not any(opens(each) for each in spelled if each != sealed)


def _bytes(value: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(value)
    except ValueError:
        return None


@pytest.mark.parametrize("value", ["", "=", "gAAAAA", "é", "\ud83d", "[]", "x" * 5000, "\0"], ids=ascii)
def test_what_was_never_sealed_does_not_open(value):
    assert not opens(value)
    assert not passes("text", value)
    assert not passes(value, "text")


def test_a_seal_is_for_one_purpose_and_one_secret():
    sealed = SEAL.seal("Ann")

    assert not opens(sealed, Seal(["a key of the tests alone"], "cart"))
    assert not opens(sealed, Seal(["a key of the tests alone"], "user"))
    assert not opens(sealed, Seal(["the key of another shop"], "users"))


def test_a_rotated_key_still_opens_and_the_new_one_seals():
    rotated = Seal(["the new key", "a key of the tests alone"], "users")

    assert rotated.open(SEAL.seal("Ann")) == "Ann"
    assert Seal(["the new key"], "users").open(rotated.seal("Ann")) == "Ann"
    assert not opens(rotated.seal("Ann"))


# Signed


@given(USER_LISTS)
def test_any_list_of_users_survives_being_signed(users):
    value, signature = readable(users)
    SEAL.check(value, signature)

    assert Users.from_json(decode(value, len(value))) == users
    assert json.loads(unquote(value)) == users.to_json()


@settings(max_examples=500)
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_no_changed_signed_value_passes(changes):
    text, signature = readable(Users((User("annannan", "Ann", "ann@example.org"),)))
    signed = value = f"{text}.{signature}"
    for change in changes:
        value = changed(value, change)
    changed_text, _, changed_signature = value.rpartition(".")

    assert passes(changed_text, changed_signature) == (value == signed)


def test_a_signature_has_one_spelling():
    text, signature = readable(Users())

    assert len(signature) == 43
    for last in BASE64:
        assert passes(text, signature[:-1] + last) == (last == signature[-1])
    assert not passes(text, signature + "=")


def test_a_signature_is_for_one_purpose_and_one_secret():
    signature = SEAL.sign("[]")

    assert not passes("[]", signature, Seal(["a key of the tests alone"], "cart"))
    assert not passes("[]", signature, Seal(["the key of another shop"], "users"))
    assert not passes("[]", SEAL.seal("[]"))


def test_a_rotated_key_still_checks_and_the_new_one_signs():
    rotated = Seal(["the new key", "a key of the tests alone"], "users")

    assert passes("[]", SEAL.sign("[]"), rotated)
    assert passes("[]", rotated.sign("[]"), Seal(["the new key"], "users"))
    assert not passes("[]", rotated.sign("[]"))
