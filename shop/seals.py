"""Sealing text so that only this shop can read it, or signing it so that only this shop can have written it.

Keys are derived from the secret key for one purpose each (a cookie's name), so that what was sealed for one opens
for no other. The first key seals; the earlier ones still open what they sealed. Imports no Flask.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Broken(ValueError):
    """The value was not sealed or signed by this shop for this purpose, or it was changed since."""


class Seal:
    """Seals and signs for one `purpose`, with the newest of `secrets` first."""

    def __init__(self, secrets: Iterable[str], purpose: str) -> None:
        secrets = tuple(secrets)
        self._fernet = MultiFernet(
            [Fernet(base64.urlsafe_b64encode(_key(secret, f"crumb seal {purpose}"))) for secret in secrets]
        )
        self._signing = tuple(_key(secret, f"crumb signature {purpose}") for secret in secrets)

    def seal(self, text: str) -> str:
        """`text` encrypted and authenticated, in URL-safe base64: about 4/3 of its bytes, and 100 more."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def open(self, sealed: str) -> str:
        """What `seal` was given. Raises Broken."""
        try:
            return self._fernet.decrypt(_canonical(sealed)).decode()
        except (InvalidToken, ValueError):
            raise Broken from None

    def sign(self, text: str) -> str:
        """A signature of `text`: 43 characters of URL-safe base64."""
        return _signature(self._signing[0], text)

    def check(self, text: str, signature: str) -> None:
        """Raise Broken unless `signature` is one of `text`."""
        try:
            given = signature.encode("ascii")
            matches = [hmac.compare_digest(_signature(key, text).encode(), given) for key in self._signing]
        except UnicodeEncodeError:
            raise Broken from None
        if not any(matches):
            raise Broken


def _key(secret: str, info: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info.encode()).derive(secret.encode())


def _signature(key: bytes, text: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, text.encode(), sha256)).decode("ascii").rstrip("=")


def _canonical(sealed: str) -> bytes:
    """The token, refused unless it is spelled the one way that base64 is written.

    Python's decoder skips foreign characters and ignores spare bits, so that several spellings would open.
    """
    token = sealed.encode("ascii")
    if base64.urlsafe_b64encode(base64.urlsafe_b64decode(token)) != token:
        raise Broken
    return token
