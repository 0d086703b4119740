"""One letter as mail: handed to the server of SHOP_SMTP_URL, or written to a folder where that is unset.

A message keeps its Message-ID and date however often it is sent. So a retry after an answer that was lost is known
for the same message, and in the folder it is the same file.
"""

from __future__ import annotations

import binascii
import os
import re
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from email_validator import validate_email

from shop.settings import Settings

PATIENCE = 20.0  # seconds for each answer of the mail server
_NO_SENDER = "shop@localhost"  # in the folder, where SHOP_MAIL_FROM may be unset


@dataclass(frozen=True)
class Mail:
    """A letter of plain text to one email address."""

    recipient: str
    subject: str
    body: str


def send(settings: Settings, mail: Mail, *, key: str, written_at: datetime, patience: float = PATIENCE) -> None:
    """Send `mail`, or write it to `settings.mail`. `key`: hexadecimal digits of its own, the same at each attempt.

    Returns when it was taken over. Raises OSError (as all of smtplib's errors are) or ValueError when it may not
    have been: `reason` and `summary` say why.
    """
    if settings.smtp_url:
        _deliver(settings, mail, compose(settings, mail, key=key, written_at=written_at), patience)
    else:
        name = f"{written_at.astimezone(UTC):%Y%m%d-%H%M%S}-{key[:16]}.eml"
        _write(settings.mail / name, compose(settings, mail, key=key, written_at=written_at))


def destination(settings: Settings) -> str:
    """Where mail goes, as a sentence for the start; empty when there is a server for it."""
    return "" if settings.smtp_url else f"Mail is written to {settings.mail}, since SHOP_SMTP_URL is unset."


def reason(error: Exception) -> str:
    """Why a message was not sent, for the merchant: one line, with the server's own words."""
    if (answer := _answer(error)) is None:
        return _one_line(f"{type(error).__name__}: {error}")[:300]
    code, words = answer
    return _one_line(f"{code} {words}")[:300]


def summary(error: Exception) -> str:
    """The same for the log: without the server's words, which may name the recipient."""
    if answer := _answer(error):
        return f"the mail server answered {answer[0]}"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return f"{type(error).__name__} ({os.strerror(error.errno)})"
    return type(error).__name__


def _answer(error: Exception) -> tuple[int, str] | None:
    """The refusal that the server gave: its code and words. None when it gave none."""
    code: int
    words: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):  # we only ever name one
        code, words = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, words = error.smtp_code, error.smtp_error
    else:
        return None
    return code, words.decode(errors="replace") if isinstance(words, bytes) else words


# The message. It is composed by hand: the modern `email.message` folds long headers of non-ASCII text wrongly in the
# Pythons that we support, and neither API writes an address that needs SMTPUTF8.


def compose(settings: Settings, mail: Mail, *, key: str, written_at: datetime) -> bytes:
    """The message as it is sent: headers and quoted-printable text, in lines that end with CRLF.

    Raises ValueError when the recipient is no email address.
    """
    sender, recipient = _sender(settings), _Mailbox.of(mail.recipient)
    name, subject = _one_line(settings.name), _one_line(mail.subject)
    headers = [
        f"From: {_phrase(name)}<{sender.address}>",
        f"To: {recipient.address}",
        *_reply_to(settings, mail),
        f"Subject: {_words(subject, 'Subject')}",
        f"Date: {format_datetime(written_at.astimezone(UTC))}",
        f"Message-ID: <{key}@{sender.domain}>",
        "Auto-Submitted: auto-generated",  # RFC 3834: no holiday notice answers it
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
    ]
    lines = re.sub(r"\r\n?", "\n", mail.body).rstrip("\n").split("\n")
    text = binascii.b2a_qp("\r\n".join([*lines, ""]).encode())
    return "\r\n".join([*headers, "", ""]).encode() + text


@dataclass(frozen=True)
class _Mailbox:
    """An email address as it travels. `international`: the part before its @ is not ASCII, which needs SMTPUTF8."""

    address: str
    international: bool = False

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @classmethod
    def of(cls, text: str) -> _Mailbox:
        """Raises ValueError when that is no email address."""
        known = validate_email(text, check_deliverability=False, test_environment=True)
        if known.ascii_email:
            return cls(known.ascii_email)
        return cls(f"{known.local_part}@{known.ascii_domain}", international=True)


def _sender(settings: Settings) -> _Mailbox:
    return _Mailbox.of(settings.mail_from) if settings.mail_from else _Mailbox(_NO_SENDER)


def _reply_to(settings: Settings, mail: Mail) -> list[str]:
    """Answers go to the merchant, where that isn't who sends or gets it anyway."""
    if settings.merchant_email in ("", settings.mail_from, mail.recipient):
        return []
    return [f"Reply-To: {_Mailbox.of(settings.merchant_email).address}"]


def _phrase(name: str) -> str:
    """A name as it stands before an address, with the space between."""
    if not name:
        return ""
    if not _is_plain(name):
        return f"{_words(name, 'From')} "
    quoted = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{quoted}" '


def _words(text: str, header: str) -> str:
    """One line of text as a header's value, folded; encoded where it isn't plain (RFC 2047)."""
    return Header(text, "us-ascii" if _is_plain(text) else "utf-8", header_name=header).encode(linesep="\r\n")


def _is_plain(text: str) -> bool:
    """False for what looks encoded, too: unencoded, it would be read as what it looks like."""
    return text.isascii() and "=?" not in text


def _one_line(text: str) -> str:
    """Without control characters and line ends, which would start another header or colour a terminal."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


# Its ways out.


def _deliver(settings: Settings, mail: Mail, message: bytes, patience: float) -> None:
    url = urlsplit(settings.smtp_url)
    sender, recipient = _sender(settings), _Mailbox.of(mail.recipient)
    server = _connected(url, sender.domain, patience)
    try:
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        international = sender.international or recipient.international
        options = ("SMTPUTF8", "BODY=8BITMIME") if international else ()
        server.sendmail(sender.address, recipient.address, message, options)
    except BaseException:
        server.close()
        raise
    # It is sent; whatever becomes of the farewell must not have it sent again.
    with suppress(OSError):
        server.quit()
    server.close()


def _connected(url: SplitResult, ehlo: str, patience: float) -> smtplib.SMTP:
    """A connection to the server, encrypted where it can be.

    A password is only given to a server whose certificate is right, or on this machine. Without a password, any
    encryption is better than none: mail servers at home on this machine often have a certificate of their own making.
    Raises OSError.
    """
    host = url.hostname or ""
    if url.scheme == "smtps":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, url.port or 465, ehlo, timeout=patience, context=context)
    server = smtplib.SMTP(host, url.port or (587 if url.username else 25), ehlo, timeout=patience)
    try:
        server.ehlo_or_helo_if_needed()
        if server.has_extn("starttls"):
            context = ssl.create_default_context()
            if not url.username or _is_here(host):
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            server.starttls(context=context)
        elif url.username and not _is_here(host):
            raise smtplib.SMTPNotSupportedError("The server offers no encryption, so it was not told the password")
    except BaseException:
        server.close()
        raise
    return server


def _is_here(host: str) -> bool:
    """True for an address of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _write(path: Path, message: bytes) -> None:
    """Write the file whole or not at all, for its owner alone to read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
