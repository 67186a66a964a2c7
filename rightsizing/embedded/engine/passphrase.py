"""Secrets by passphrase, in the format of Pulumi's own passphrase provider.

The key is PBKDF2-HMAC-SHA256 over the passphrase, 8 bytes of salt and 1,000,000 rounds; values are
AES-256-GCM, written ``v1:<nonce>:<ciphertext>`` in base64, and ``encryptionsalt`` is ``v1:<salt>:``
followed by the encrypted word "pulumi". So one ``Pulumi.<stack>.yaml`` serves both drivers.
Source: pulumi/pulumi pkg/secrets/passphrase/manager.go and sdk/go/common/resource/config/crypt.go.
"""

from __future__ import annotations

import base64
import hashlib
import os
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rightsizing.errors import ConfigError

ROUNDS = 1_000_000
KEY_BYTES = 32
SALT_BYTES = 8
NONCE_BYTES = 12
CHECK_WORD = "pulumi"


class PassphraseCipher:
    """Encrypts and decrypts with one passphrase. The key is derived at first need (about 0.3 s).

    ``salt`` is an ``encryptionsalt``, or None to make a new one at first need.
    """

    def __init__(self, passphrase: str | None, salt: str | None) -> None:
        self._passphrase = passphrase
        self._given_salt = salt
        self._made_salt: str | None = None

    @property
    def salt(self) -> str | None:
        """The ``encryptionsalt`` to keep; None while nothing was encrypted."""
        return self._given_salt or self._made_salt

    def encrypt(self, text: str) -> str:
        """``v1:<nonce>:<ciphertext>``. Raises ConfigError without a passphrase."""
        return _seal(self._gcm, text)

    def decrypt(self, sealed: str) -> str:
        """The clear text. Raises ConfigError when passphrase and text do not belong together."""
        try:
            _, nonce, body = sealed.split(":")
            clear = self._gcm.decrypt(base64.b64decode(nonce), base64.b64decode(body), None)
        except (InvalidTag, ValueError) as error:
            raise ConfigError(
                "a secret could not be decrypted; set PULUMI_CONFIG_PASSPHRASE to the passphrase "
                "it was encrypted with"
            ) from error
        return clear.decode("utf-8")

    @cached_property
    def _gcm(self) -> AESGCM:
        if self._passphrase is None:
            raise ConfigError(
                "this stack has secrets; set PULUMI_CONFIG_PASSPHRASE or "
                "PULUMI_CONFIG_PASSPHRASE_FILE"
            )
        if self._given_salt is None:
            raw = os.urandom(SALT_BYTES)
            gcm = AESGCM(_derive_key(self._passphrase, raw))
            encoded = base64.b64encode(raw).decode()
            self._made_salt = f"v1:{encoded}:{_seal(gcm, CHECK_WORD)}"
            return gcm
        try:
            _, encoded, check = self._given_salt.split(":", 2)
            gcm = AESGCM(_derive_key(self._passphrase, base64.b64decode(encoded)))
            _, nonce, body = check.split(":")
            gcm.decrypt(base64.b64decode(nonce), base64.b64decode(body), None)
        except (InvalidTag, ValueError) as error:
            raise ConfigError(
                "PULUMI_CONFIG_PASSPHRASE is not the passphrase this stack was made with; nothing "
                "was changed, set it to that one and run the command again"
            ) from error
        return gcm


def _derive_key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, KEY_BYTES)


def _seal(gcm: AESGCM, text: str) -> str:
    nonce = os.urandom(NONCE_BYTES)
    body = gcm.encrypt(nonce, text.encode("utf-8"), None)
    return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(body).decode()}"
