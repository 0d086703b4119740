"""A small SMTP server, on a free port of this machine, for tests: it takes mail, or refuses it as it is told.

with SmtpServer() as server:
    server.answers["RCPT"] = "550 No such user"
    ...
assert server.received == []
"""

from __future__ import annotations

import base64
import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage

DROP = "drop"  # an answer that is none: the connection ends
SILENCE = "silence"  # the client waits for ever


@dataclass
class Received:
    """One message that was taken over, with how it came."""

    sender: str
    recipient: str
    content: bytes
    encrypted: bool
    login: str

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=email.policy.default)  # type: ignore[return-value]

    @property
    def text(self) -> str:
        return self.message.get_content().replace("\r\n", "\n")


@dataclass
class _Session:
    encrypted: bool = False
    login: str = ""
    sender: str = ""
    recipient: str = ""
    verbs: list[str] = field(default_factory=list)


class SmtpServer:
    """`answers` replaces its own answer to a verb: CONNECT, EHLO, MAIL, RCPT, DATA, QUIT, or MESSAGE (its end)."""

    def __init__(
        self, *, extensions: Iterable[str] = (), tls: ssl.SSLContext | None = None, tls_at_once: bool = False
    ) -> None:
        self.answers: dict[str, str] = {}
        self.received: list[Received] = []
        self.verbs: list[str] = []  # all that was ever said to it
        self._extensions = [*extensions, *(["STARTTLS"] if tls and not tls_at_once else [])]
        self._tls = tls
        self._tls_at_once = tls_at_once
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> SmtpServer:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._listening)
        for connection in self._connections:
            _end(connection)
        for thread in self._threads:
            thread.join()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def _start(self, work, *args) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        session = _Session()
        try:
            if self._tls_at_once:
                connection = self._encrypt(connection, session)
            self._talk(connection, session)
        except OSError:  # the client's, or our own end
            pass
        finally:
            _end(connection)

    def _encrypt(self, connection: socket.socket, session: _Session) -> socket.socket:
        assert self._tls
        encrypted = self._tls.wrap_socket(connection, server_side=True)
        self._connections.append(encrypted)
        session.encrypted = True
        return encrypted

    def _talk(self, connection: socket.socket, session: _Session) -> None:
        if not self._say(connection, "CONNECT", "220 here"):
            return
        lines = connection.makefile("rb")
        try:
            while line := lines.readline().decode().strip():
                verb, _, rest = line.partition(" ")
                verb = verb.upper()
                self.verbs.append(verb)
                if not self._say(connection, verb, self._own_answer(verb, rest, session)):
                    return
                if verb == "STARTTLS":
                    lines.close()
                    connection = self._encrypt(connection, session)
                    lines = connection.makefile("rb")
                elif verb == "DATA" and not self.answers.get("DATA"):
                    content = b"".join(iter(lines.readline, b".\r\n")).replace(b"\r\n..", b"\r\n.")
                    if self.answers.get("MESSAGE", "2")[0] == "2" or self.answers["MESSAGE"] == DROP:
                        self.received.append(
                            Received(session.sender, session.recipient, content, session.encrypted, session.login)
                        )
                    if not self._say(connection, "MESSAGE", "250 taken"):
                        return
                elif verb == "QUIT":
                    return
        finally:
            lines.close()

    def _own_answer(self, verb: str, rest: str, session: _Session) -> str:
        match verb:
            case "EHLO":
                return "\r\n".join([*(f"250-{each}" for each in ("127.0.0.1", *self._extensions)), "250 8BITMIME"])
            case "AUTH":
                _, _, proof = rest.partition(" ")
                session.login = base64.b64decode(proof).decode()
                return "235 welcome"
            case "MAIL":
                session.sender = rest
            case "RCPT":
                session.recipient = rest
            case "DATA":
                return "354 go on"
            case "STARTTLS":
                return "220 go on"
            case "QUIT":
                return "221 bye"
        return "250 fine"

    def _say(self, connection: socket.socket, verb: str, own: str) -> bool:
        """Answer; False when the answer was the end."""
        answer = self.answers.get(verb, own)
        if answer == SILENCE:
            connection.recv(1)  # until the client goes
        if answer in (DROP, SILENCE):
            return False
        connection.sendall(answer.encode() + b"\r\n")
        return True


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
