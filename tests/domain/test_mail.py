"""Letters as mail: what is on the wire, and what is in the folder."""

from __future__ import annotations

import email
import email.policy
import os
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from email.utils import parseaddr, parsedate_to_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from shop.orders import mail
from shop.orders.mail import Mail
from shop.settings import Settings
from tests.smtp_server import DROP, SILENCE, SmtpServer

NOON = datetime(2026, 3, 4, 12, 0, 5, tzinfo=UTC)
KEY = "0123456789abcdef0123456789abcdef"
HELLO = Mail("ann@example.org", "Hello", "How are you?\n")
SHOP = Settings(name="Crumb", mail_from="shop@example.org")

some_text = st.characters(exclude_categories=("Cs",))


def send(server: SmtpServer | str, letter: Mail = HELLO, *, patience: float = 20, **settings: str) -> None:
    url = server if isinstance(server, str) else server.url
    shop = replace(SHOP, smtp_url=url, **settings)
    mail.send(shop, letter, key=KEY, written_at=NOON, patience=patience)


def compose(letter: Mail = HELLO, **settings: str) -> bytes:
    return mail.compose(replace(SHOP, **settings), letter, key=KEY, written_at=NOON)


@pytest.fixture
def server():
    with SmtpServer() as server:
        yield server


# The message


def test_a_letter_arrives_as_it_was_written(server):
    send(server, Mail("ann@example.org", "Your order 1001", "2 × Mug: 25,00 €\n.\n..dots\nFrom here on\n"))

    (received,) = server.received
    message = received.message
    assert received.text == "2 × Mug: 25,00 €\n.\n..dots\nFrom here on\n"
    assert received.content.isascii()
    assert (received.sender, received.recipient) == ("FROM:<shop@example.org>", "TO:<ann@example.org>")
    assert str(message["From"]) == "Crumb <shop@example.org>"
    assert message["To"] == "ann@example.org"
    assert message["Subject"] == "Your order 1001"
    assert parsedate_to_datetime(message["Date"]) == NOON
    assert message["Message-ID"] == f"<{KEY}@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Reply-To"] is None


def test_it_is_the_same_message_at_each_attempt(server):
    send(server)
    send(server)
    assert len({received.content for received in server.received}) == 1


def test_the_date_is_utc_whatever_zone_the_time_is_in():
    written_at = NOON.astimezone(datetime.strptime("+0900", "%z").tzinfo)
    assert mail.compose(SHOP, HELLO, key=KEY, written_at=written_at) == compose()


@given(st.text(some_text, max_size=60), st.text(some_text, max_size=300), st.text(some_text, max_size=600))
def test_no_text_breaks_out_of_its_place(name, subject, body):
    content = compose(Mail("ann@example.org", subject, body), name=name)

    head, _, _ = content.partition(b"\r\n\r\n")
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 200
    assert b"\n" not in content.replace(b"\r\n", b"")
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert sorted(names) == sorted(set(names))
    assert len(names) == 9

    message = email.message_from_bytes(content)  # the old parser: the new one has faults of its own
    assert shown(parseaddr(message["From"].replace("\r\n", ""))[0]) == folded(name)
    assert parseaddr(message["From"].replace("\r\n", ""))[1] == "shop@example.org"
    assert shown(message["Subject"]) == folded(subject)
    text = message.get_payload(decode=True).decode()
    assert text == body.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").replace("\n", "\r\n") + "\r\n"


def shown(header: str) -> str:
    return str(make_header(decode_header(header.replace("\r\n", ""))))


def folded(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


@pytest.mark.parametrize(
    "name", ["Ann\r\nBcc: eve@example.org", 'Tea, "Cups" <& more>', "Чай и чашки" * 5, "=?utf-8?q?no?=", "喫茶店 ☕"]
)
def test_any_shop_name_is_one_sender(name):
    message = email.message_from_bytes(compose(name=name))
    sender, address = parseaddr(message["From"].replace("\r\n", ""))
    assert (shown(sender), address) == (folded(name), "shop@example.org")
    assert message["Bcc"] is None


@pytest.mark.parametrize(
    "recipient",
    ["", "ann", "ann@", "ann@example.org, eve@example.org", "ann@example.org\r\nBcc: eve@example.org", "<a@b.org>"],
)
def test_what_is_no_address_is_refused(server, recipient):
    with pytest.raises(ValueError, match=r".") as caught:
        send(server, replace(HELLO, recipient=recipient))
    assert "\n" not in mail.reason(caught.value)
    assert server.verbs == []


def test_an_international_domain_travels_in_ascii(server):
    send(server, replace(HELLO, recipient="ann@bücher.example"))
    (received,) = server.received
    assert received.recipient == "TO:<ann@xn--bcher-kva.example>"
    assert received.message["To"] == "ann@xn--bcher-kva.example"


def test_an_address_that_is_not_ascii_at_all_travels_as_it_is():
    with SmtpServer(extensions=["SMTPUTF8"]) as server:
        send(server, replace(HELLO, recipient="дед@почта.example"))
        (received,) = server.received
        assert received.recipient == "TO:<дед@xn--80a1acny.example>"
        assert "SMTPUTF8" in received.sender
        assert "\r\nTo: дед@xn--80a1acny.example\r\n".encode() in received.content


def test_an_address_that_the_server_cannot_take_is_an_error(server):
    with pytest.raises(OSError, match="SMTPUTF8") as caught:
        send(server, replace(HELLO, recipient="дед@почта.example"))
    assert server.received == []
    assert mail.summary(caught.value) == "SMTPNotSupportedError"


def test_answers_go_to_the_merchant(server):
    send(server, merchant_email="ann.owner@example.org")
    send(server, replace(HELLO, recipient="ann.owner@example.org"), merchant_email="ann.owner@example.org")
    to_shopper, to_merchant = server.received
    assert to_shopper.message["Reply-To"] == "ann.owner@example.org"
    assert to_merchant.message["Reply-To"] is None


# The server


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "MESSAGE"])
@pytest.mark.parametrize("answer", ["421 come back later", "550 never", DROP, SILENCE])
def test_whatever_refuses_a_letter_is_an_error(server, verb, answer):
    server.answers[verb] = answer
    if verb == "EHLO":
        server.answers["HELO"] = answer
    with pytest.raises(OSError) as caught:
        send(server, patience=0.2 if answer == SILENCE else 20)
    assert mail.reason(caught.value)
    if answer[0].isdigit():
        assert mail.reason(caught.value) == answer
        assert mail.summary(caught.value) == f"the mail server answered {answer[:3]}"


def test_no_server_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionRefusedError) as caught:
        send(f"smtp://127.0.0.1:{port}")
    assert mail.summary(caught.value) == "ConnectionRefusedError (Connection refused)"


@pytest.mark.parametrize("answer", ["500 what?", DROP, SILENCE])
def test_a_farewell_that_fails_undoes_nothing(server, answer):
    server.answers["QUIT"] = answer
    send(server, patience=0.2)
    assert len(server.received) == 1


def test_the_log_names_nobody_and_the_reason_is_one_line(server):
    server.answers["RCPT"] = "550-5.1.1 <ann@example.org>:\r\n550 5.1.1 \x1b[31mno such\tuser"
    with pytest.raises(OSError) as caught:
        send(server)
    assert mail.reason(caught.value) == "550 5.1.1 <ann@example.org>: 5.1.1 [31mno such user"
    assert mail.summary(caught.value) == "the mail server answered 550"


# Encryption and passwords


@pytest.fixture
def tls(tmp_path):
    """A server's side of TLS, with a certificate for this machine of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    (tmp_path / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    return context


def test_what_offers_encryption_gets_it(tls):
    with SmtpServer(tls=tls) as server:
        send(server)
        assert server.received[0].encrypted


def test_a_password_is_given_encrypted(tls):
    with SmtpServer(tls=tls, extensions=["AUTH PLAIN"]) as server:
        send(f"smtp://ann%40example.org:p%2Fw%3A%20x@127.0.0.1:{server.port}")
        (received,) = server.received
        assert received.encrypted
        assert received.login == "\0ann@example.org\0p/w: x"


def test_a_password_stays_here_without_encryption():
    with SmtpServer(extensions=["AUTH PLAIN"]) as server:
        with pytest.raises(OSError, match="no encryption"):
            send(f"smtp://ann:secret@0.0.0.0:{server.port}")  # leads here, but is no name of this machine alone
        assert "AUTH" not in server.verbs


def test_a_password_is_given_to_a_server_on_this_machine():
    with SmtpServer(extensions=["AUTH PLAIN"]) as server:
        send(f"smtp://ann:secret@127.0.0.1:{server.port}")
        assert server.received[0].login == "\0ann\0secret"


def test_smtps_is_encrypted_from_the_start(tls, tmp_path, monkeypatch):
    with SmtpServer(tls=tls, tls_at_once=True) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            send(f"smtps://localhost:{server.port}")
        assert server.verbs == []

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        send(f"smtps://localhost:{server.port}")
        assert server.received[0].encrypted


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("mail.example.org", False), ("10.0.0.1", False)],
)
def test_this_machine_is_known(host, here):
    assert mail._is_here(host) is here


# The folder


def test_without_a_server_mail_is_written_to_a_folder(tmp_path):
    settings = Settings(data=tmp_path)
    for _ in range(2):  # a second attempt is the same file
        mail.send(settings, Mail("ann@example.org", "Hällo", "Müller\n"), key=KEY, written_at=NOON)

    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == "20260304-120005-0123456789abcdef.eml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert (message["Subject"], message.get_content()) == ("Hällo", "Müller\r\n")


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    settings = Settings(data=tmp_path)
    settings.mail.mkdir()
    (settings.mail / "20260304-120005-0123456789abcdef.eml").mkdir()  # in its way
    with pytest.raises(OSError) as caught:
        mail.send(settings, HELLO, key=KEY, written_at=NOON)
    assert [file.name for file in settings.mail.iterdir()] == ["20260304-120005-0123456789abcdef.eml"]
    assert mail.summary(caught.value) == "IsADirectoryError (Is a directory)"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        mail.send(Settings(data=tmp_path), HELLO, key=KEY, written_at=NOON)


def test_the_start_says_where_mail_goes(tmp_path):
    said = mail.destination(Settings(data=tmp_path))
    assert said == f"Mail is written to {tmp_path}/mail, since SHOP_SMTP_URL is unset."
    assert mail.destination(replace(SHOP, smtp_url="smtp://localhost")) == ""
