"""Secrets in Pulumi's own passphrase format."""

import json
from pathlib import Path

import pytest

from rightsizing.embedded.engine.passphrase import PassphraseCipher
from rightsizing.errors import ConfigError

# Written by `pulumi config set --secret`, CLI v3.260.0, passphrase "correct horse".
SEALED = json.loads(
    (Path(__file__).parents[2] / "stack" / "sample" / "sealed.json").read_text(encoding="utf-8")
)


def test_it_opens_what_the_pulumi_cli_sealed():
    """An independent oracle: salt and ciphertext made by the real CLI."""
    cipher = PassphraseCipher("correct horse", SEALED["salt"])
    assert cipher.decrypt(SEALED["password"]) == "hunter2-very-secret"
    assert cipher.decrypt(cipher.encrypt("again")) == "again"


def test_the_same_text_is_sealed_differently_each_time():
    """Nonces are random, so equal secrets cannot be told from ciphertext."""
    cipher = PassphraseCipher("p", None)
    assert cipher.encrypt("x") != cipher.encrypt("x")


def test_a_new_salt_opens_what_was_sealed_with_it():
    """The salt that was made can be kept and given again."""
    first = PassphraseCipher("p", None)
    assert first.salt is None
    sealed = first.encrypt("x")
    assert PassphraseCipher("p", first.salt).decrypt(sealed) == "x"


def test_a_wrong_passphrase_is_refused_by_the_salt():
    """Before anything is decrypted or, worse, encrypted with it."""
    with pytest.raises(ConfigError, match="not the passphrase"):
        PassphraseCipher("wrong", SEALED["salt"]).encrypt("x")


def test_a_missing_passphrase_names_the_variable():
    """Only when a secret is met."""
    with pytest.raises(ConfigError, match="PULUMI_CONFIG_PASSPHRASE"):
        PassphraseCipher(None, SEALED["salt"]).decrypt(SEALED["password"])


@pytest.mark.parametrize(
    "damaged", ["", "v1:x", "v1:AAAA:AAAA", SEALED["password"][:-8] + "AAAAAAA="]
)
def test_damaged_ciphertext_is_refused(damaged):
    """GCM authenticates: nothing wrong comes out."""
    cipher = PassphraseCipher("correct horse", SEALED["salt"])
    with pytest.raises(ConfigError):
        cipher.decrypt(damaged)
