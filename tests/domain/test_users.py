"""The list of registered users: what it takes, what it refuses, how it is searched. No Flask in sight."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.users import FIELDS, LONGEST, InvalidUser, UnknownUser, User, UserError, Users, countries

ADDRESS = {
    "recipient": "Ann & Sons",
    "line1": "1 High Street",
    "line2": "Flat 2",
    "postcode": "AB1 2CD",
    "city": "Ely",
    "region": "Cambs",
    "country": "GB",
    "phone": "+44 20 7946 0000",
}
NAMES = {
    "one letter": "A",
    "Cyrillic": "Анна Ёлкина",
    "Greek": "Οδυσσέας",
    "Chinese": "王小明",
    "Japanese": "山田 太郎",
    "Korean": "김철수",
    "Arabic": "محمد بن أحمد",
    "Hebrew": "שָׂרָה",
    "Hindi": "श्रीमती",
    "Thai": "สมชาย",
    "Georgian": "ნინო",
    "Amharic": "አበበ",
    "outside the basic plane": "𠮷野家 𝕬𝖓𝖓",
    "an emoji": "🫖",
    "a family of emoji": "👩‍👩‍👧‍👦",
    "quotes": """Conan "O'Brien" \\ `x`""",
    "markup": "<b>Ann</b> & {{ 7*7 }} %22",
    "one word of 100 letters": "a" * 100,
    "one word of 100 emoji": "🫖" * 100,
    "100 of another script": "ж" * 100,
}


@pytest.fixture
def ann() -> User:
    return User("annannan", "Ann", "ann@example.org")


@pytest.fixture
def bob() -> User:
    return User("bobbobbo", "Bob", "bob@example.org")


@pytest.fixture
def cleo() -> User:
    return User("cleocleo", "Cleo", "cleo@example.org")


@pytest.fixture
def three(ann, bob, cleo) -> Users:
    return Users((ann, bob, cleo))


def register(**fields: str) -> User:
    """Who is registered by such a form in an empty list."""
    return Users().registering({"name": "Ann", "email": "ann@example.org"} | fields)[1]


def errors(users: Users | None = None, **fields: str) -> dict[str, str]:
    """What is wrong with such a form, by field."""
    with pytest.raises(InvalidUser) as refused:
        (users or Users()).registering({"name": "Ann", "email": "ann@example.org"} | fields)
    return refused.value.errors


def names(users: Users) -> list[str]:
    return [user.name for user in users]


def test_the_list_knows_no_web():
    look = "import shop.users, shop.seals, sys; sys.exit('flask' in sys.modules or 'werkzeug' in sys.modules)"

    # Its package imports Flask, so the package is stood in for.
    package = (
        "import sys, types; shop = types.ModuleType('shop'); shop.__path__ = ['shop']; sys.modules['shop'] = shop"
    )
    assert subprocess.run([sys.executable, "-c", f"{package}; {look}"]).returncode == 0


# Registering


def test_registering_adds_somebody_at_the_end(three):
    users, dora = three.registering({"name": "Dora", "email": "dora@example.org"})

    assert names(users) == ["Ann", "Bob", "Cleo", "Dora"]
    assert users.find(dora.id) == dora
    assert names(three) == ["Ann", "Bob", "Cleo"]


def test_ids_are_eight_url_safe_characters_and_differ():
    users = Users()
    for number in range(50):
        users, _ = users.registering({"name": "Ann", "email": f"ann{number}@example.org"})
    ids = {user.id for user in users}

    assert len(ids) == 50
    assert all(len(each) == 8 and set(each) <= set("-_" + ALPHANUMERIC) for each in ids)


ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def test_an_id_that_is_taken_is_drawn_again(ann, monkeypatch):
    drawn = iter([ann.id, ann.id, "another1"])
    monkeypatch.setattr("shop.users.secrets.token_urlsafe", lambda _bytes: next(drawn))

    assert Users((ann,)).registering({"name": "Bob", "email": "bob@example.org"})[1].id == "another1"


def test_a_form_cannot_choose_an_id_or_anything_unknown():
    user = register(id="chosen", role="admin", **ADDRESS)

    assert user.id != "chosen"
    assert user.to_json().keys() == {"id", "name", "email", *ADDRESS}


def test_the_whole_address_is_kept(three):
    user = register(**ADDRESS)

    assert {name: getattr(user, name) for name in ADDRESS} == ADDRESS
    assert user.address == ("Ann & Sons", "1 High Street", "Flat 2", "Ely", "AB1 2CD", "Cambs", "United Kingdom")


@pytest.mark.parametrize(
    ("fields", "lines"),
    [({}, ()), ({"city": "Ely"}, ("Ely",)), ({"postcode": "1", "country": "FR"}, ("1", "France"))],
)
def test_an_address_has_no_empty_lines(fields, lines):
    assert register(**fields).address == lines


def test_only_fields_that_say_something_travel(ann):
    assert ann.to_json() == {"id": "annannan", "name": "Ann", "email": "ann@example.org"}


# Names


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_of_any_script_is_stored_and_found_whole(name):
    users, user = Users().registering({"name": name, "email": "ann@example.org"})

    assert user.name == name
    assert names(users.search(name)) == [name]
    assert names(Users.from_json(users.to_json()).search(name[-1])) == [name]


def test_names_are_tidied():
    assert register(name="  Ann \n").name == "Ann"
    assert register(name="Ame\u0301lie").name == "Am\u00e9lie"


def test_a_name_of_101_characters_is_refused():
    assert errors(name="a" * 101) == {"name": "Keep this to 100 characters; it has 101."}
    assert errors(name="🫖" * 101)["name"].endswith("it has 101.")


def test_a_name_is_measured_after_it_was_tidied():
    assert len(register(name=" " + "e\u0301" * 100 + " ").name) == 100


@pytest.mark.parametrize(
    "name",
    ["", " ", "\u00a0\u3000", "\n", "\u200b", "\u200d\u200f", "\ufeff", "\u00ad", "\u3164", "\u2800 \u115f"],
    ids=ascii,
)
def test_a_name_that_shows_nothing_is_refused(name):
    assert errors(name=name) == {"name": "Enter a name, of 1 to 100 characters."}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "bad", ["\n", "\r\n", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud83d", "\udcff"], ids=ascii
)
def test_control_characters_line_breaks_and_half_pairs_are_refused_everywhere(field, bad):
    assert errors(**{field: f"a{bad}b"})[field] == "Take out the line breaks and control characters."


# Email


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ann@example.org", "ann@example.org"),
        (" ann@example.org\n", "ann@example.org"),
        ("Ann@EXAMPLE.ORG", "Ann@example.org"),
        ("ann+shop@example.org", "ann+shop@example.org"),
        ("o'brien.x_y@sub.example.co.uk", "o'brien.x_y@sub.example.co.uk"),
        ("jürgen@bücher.de", "jürgen@bücher.de"),
        ("анна@почта.рф", "анна@почта.рф"),
        ("用户@例え.jp", "用户@例え.jp"),
        ("ann@xn--bcher-kva.de", "ann@bücher.de"),
        ("ann@ex。org", "ann@ex.org"),
        ("e\u0301@example.org", "\u00e9@example.org"),
    ],
)
def test_an_email_is_kept_in_one_spelling(typed, kept):
    assert register(email=typed).email == kept


@pytest.mark.parametrize(
    "email",
    [
        "",
        " ",
        "ann",
        "ann@",
        "@example.org",
        "ann@example",
        "ann@localhost",
        "ann@@example.org",
        "ann@example..org",
        ".ann@example.org",
        "ann.@example.org",
        "ann bee@example.org",
        "Ann <ann@example.org>",
        "ann@example.org, bob@example.org",
        "ann@[127.0.0.1]",
        '"ann bee"@example.org',
        "ann@exam_ple.org",
        "ann@☃.net",
        "ann@xn--.org",
        "ann@" + "a" * 64 + ".org",
        "ann@" + "a." * 130 + "org",
    ],
)
def test_what_is_no_email_is_refused(email):
    refused = errors(email=email)

    assert refused.keys() == {"email"}
    wanted = "Enter an email address, such as ann@example.org."
    assert refused["email"] == wanted or refused["email"].startswith("Keep this to 254")


@pytest.mark.parametrize(
    "same",
    ["ann@example.org", "ann@EXAMPLE.org", "ann@Example.Org"],
)
def test_the_same_mailbox_registers_once(three, same):
    assert errors(three, email=same) == {"email": "Somebody is registered with this email already."}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ann@bücher.de", "ann@xn--bcher-kva.de"),
        ("ann@xn--bcher-kva.de", "ann@BÜCHER.de"),
        ("ann@почта.рф", "ann@ПОЧТА.РФ"),
        ("Postmaster@example.org", "postmaster@example.org"),
        ("\u00e9@example.org", "e\u0301@example.org"),
        ("ann@example.org", "ann@example。org"),
    ],
)
def test_two_spellings_of_a_mailbox_are_one(first, second):
    users, _ = Users().registering({"name": "Ann", "email": first})

    assert "email" in errors(users, email=second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ann@example.org", "Ann@example.org"),
        ("ann@example.org", "ann+1@example.org"),
        ("ann@example.org", "ann@example.com"),
        ("ann@example.org", "a.nn@example.org"),
        ("ann@straße.de", "ann@strasse.de"),  # two domains since IDNA 2008
        ("ann@σας.gr", "ann@σασ.gr"),
        ("jürgen@example.org", "juergen@example.org"),
    ],
)
def test_different_mailboxes_are_two(first, second):
    users, _ = Users().registering({"name": "Ann", "email": first})
    users, _ = users.registering({"name": "Ann", "email": second})

    assert len(users) == 2


# The other fields


@pytest.mark.parametrize("field", [name for name in LONGEST if name not in ("email", "country")])
def test_each_field_takes_its_length_and_no_more(field):
    most = "ж" * LONGEST[field]

    assert getattr(register(**{field: most}), field) == most
    assert errors(**{field: most + "ж"}) == {
        field: f"Keep this to {LONGEST[field]} characters; it has {LONGEST[field] + 1}."
    }


def test_a_country_is_a_code_of_the_list():
    assert {"DE", "GB", "JP", "US", "UA", "TW", "ZA"} <= countries().keys()
    assert register(country="DE").address == ("Germany",)
    assert all(len(code) == 2 and code.isupper() for code in countries())


@pytest.mark.parametrize("code", ["de", "Germany", "EU", "UN", "ZZ", "XX", "D", "DEU", "<b>"])
def test_what_is_no_country_is_refused(code):
    assert errors(country=code) == {"country": "Choose a country from the list."}


def test_all_errors_come_at_once_in_the_order_of_the_form():
    refused = errors(phone="1" * 41, country="XX", email="ann", name="")

    assert list(refused) == ["name", "email", "country", "phone"]


@given(st.fixed_dictionaries({}, optional={name: st.text(st.characters(), max_size=130) for name in FIELDS}))
def test_whatever_is_typed_registers_or_is_refused_by_field(form):
    try:
        users, user = Users().registering(form)
    except InvalidUser as invalid:
        assert invalid.errors
        assert invalid.errors.keys() <= set(FIELDS)
        return
    assert Users.from_json(users.to_json()).find(user.id) == user


# Editing and deleting


def test_updating_changes_one_and_keeps_their_place_and_id(three, bob):
    users, robert = three.updating(bob.id, {"name": "Robert", "email": "bob@example.org"})

    assert names(users) == ["Ann", "Robert", "Cleo"]
    assert robert.id == bob.id


def test_an_update_says_all_there_is(three, bob):
    users, _ = three.updating(bob.id, {"name": "Bob", "email": "bob@example.org", **ADDRESS})
    _, without = users.updating(bob.id, {"name": "Bob", "email": "bob@example.org"})

    assert without == bob


def test_an_update_may_respell_its_own_email_but_not_take_anothers(three, bob):
    assert three.updating(bob.id, {"name": "Bob", "email": "bob@EXAMPLE.org"})[1].email == "bob@example.org"
    with pytest.raises(InvalidUser) as refused:
        three.updating(bob.id, {"name": "Bob", "email": "ann@Example.org"})
    assert list(refused.value.errors) == ["email"]


def test_deleting_leaves_the_others_in_order(three, bob):
    assert names(three.deleting(bob.id)) == ["Ann", "Cleo"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_deleted_user_can_be_restored_in_place(three, place):
    user = three.users[place]
    assert three.place(user.id) == place

    assert three.deleting(user.id).restoring(user, place) == three


def test_restoring_twice_restores_once(three, bob):
    assert three.restoring(bob, 1) == three


def test_restoring_past_the_end_of_a_list_that_got_shorter(ann, cleo):
    assert names(Users((ann,)).restoring(cleo, 7)) == ["Ann", "Cleo"]


def test_nobody_is_restored_over_somebody_with_their_email(three, bob):
    users, _ = three.deleting(bob.id).registering({"name": "Robert", "email": "bob@EXAMPLE.org"})

    with pytest.raises(UserError, match="Somebody else is registered with this email by now"):
        users.restoring(bob, 1)


@pytest.mark.parametrize("user_id", ["", "nobody", "ANNANNAN", "annannan ", "é"])
def test_who_is_not_there_is_unknown(three, user_id):
    for act in (
        three.find,
        three.place,
        three.deleting,
        lambda user_id: three.updating(user_id, {"name": "X", "email": "x@example.org"}),
    ):
        with pytest.raises(UnknownUser):
            act(user_id)


# Searching


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("Ann", "ANN"),
        ("ANN", "ann"),
        ("Ann Bee", "  bee "),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("Groß", "GROẞ"),
        ("Анна Ёлкина", "ЁЛКИНА"),
        ("ИВАН", "иван"),
        ("Οδυσσέας", "ΟΔΥΣΣΈΑΣ"),
        ("ΟΔΥΣΣΈΑΣ", "οδυσσέας"),
        ("Οδυσσέας", "οδυσσέασ"),
        ("İstanbul", "İSTANBUL"),
        ("İSTANBUL", "istanbul"),
        ("istanbul", "İstanbul"),
        ("Işık", "IŞIK"),
        ("IŞIK", "ışık"),
        ("Ամալյա", "ԱՄԱԼՅԱ"),
        ("Amélie", "AME\u0301LIE"),
        ("Ａｎｎ", "ann"),
        ("ﬁona", "FIONA"),
        ("ნინო", "ᲜᲘᲜᲝ"),
        ("𐐀nn", "𐐨NN"),
    ],
)
def test_search_finds_a_name_in_any_case_of_any_script(name, term):
    users = Users((User("1", "Zoë", "zoe@example.com"), User("2", name, "someone@example.org")))

    assert names(users.search(term)) == [name]


@pytest.mark.parametrize("term", ["BOB@", "bob@EXAMPLE", "b@e"])
def test_search_finds_an_email(three, term):
    assert names(three.search(term)) == ["Bob"]


@pytest.mark.parametrize("term", ["", "  ", "EXAMPLE.org"])
def test_search_keeps_the_order_and_nothing_typed_finds_everybody(three, term):
    assert three.search(term) == three


@pytest.mark.parametrize("term", ["dora", "ann bob", "%", "_", ".*", "annannan"])
def test_search_finds_nobody(three, term):
    assert names(three.search(term)) == []


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60), st.text(max_size=20))
def test_any_search_is_answered_and_whoever_is_typed_whole_is_found(name, term):
    users = Users((User("1", name, "x@example.org"),))

    users.search(term)
    assert len(users.search(name)) == 1


# Travelling


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "users",
        {"v": 2},
        [1],
        [[]],
        [{}],
        [{"id": "1", "name": "Ann"}],
        [{"id": "1", "name": "Ann", "email": None}],
        [{"id": 1, "name": "Ann", "email": "ann@example.org"}],
        [{"id": "1", "name": "Ann", "email": "ann@example.org", "later": "x"}],
        [{"id": "1", "name": "Ann", "email": "ann@example.org", "phone": ["x"]}],
    ],
)
def test_what_is_no_list_of_users_is_refused(value):
    with pytest.raises(ValueError, match=r"^not a "):
        Users.from_json(value)
