"""Verifies who made a bundle: a detached ed25519 signature of its bundle.json, which contains the model's digest.

`export.sign` signs bundles. Needs the library `cryptography`, imported only if the settings name a key.
"""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from edge.core.errors import InputError, install_hint

SIGNATURE = "bundle.json.sig"
_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class SignatureError(InputError):
    """A bundle's signature is missing or wrong, or a key is unusable; the message names the file."""


def verify_signature(content: bytes, signature: Path, key: Path) -> None:
    """Verify the file `signature` of `content` against the public `key`, or one of several in it (PEM).

    Raises SignatureError.
    """
    public_keys = load_public_keys(key)
    try:
        signed = signature.read_bytes()
    except OSError as error:
        raise SignatureError(
            f"{signature}: cannot be read ({error.strerror}); with a public key set ({key}), the bundle must be "
            "signed: python -m export.sign"
        ) from error
    invalid = import_module("cryptography.exceptions").InvalidSignature
    for public in public_keys:
        with suppress(invalid):
            public.verify(signed, content)
            return
    raise SignatureError(
        f"{signature}: not a signature of this {signature.stem} by the owner of {key}: copy the bundle again, or ask "
        "its maker"
    )


def load_public_keys(path: Path) -> list[Any]:
    """Load all public keys of a PEM file: while a maker's key is replaced, the old one and the new one.

    Raises SignatureError.
    """
    try:
        blocks = _PUBLIC_KEY.findall(path.read_bytes())
    except OSError as error:
        raise SignatureError(f"{path}: cannot be read ({error.strerror}); name a public key") from error
    return [_decode_key(path, block, "public") for block in blocks or [b""]]


def load_private_key(path: Path) -> Any:
    """Load the private ed25519 key of a PEM file. Raises SignatureError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SignatureError(f"{path}: cannot be read ({error.strerror}); name a private key") from error
    return _decode_key(path, content, "private")


def _decode_key(path: Path, content: bytes, half: str) -> Any:
    try:
        kinds = import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        load = getattr(import_module("cryptography.hazmat.primitives.serialization"), f"load_pem_{half}_key")
    except ImportError as error:
        raise SignatureError(f"signatures need the library cryptography ({error}): {install_hint('signed')}") from error
    try:
        key = load(content, **({"password": None} if half == "private" else {}))
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted with a password
        raise SignatureError(f"{path}: must be a {half} key in PEM without a password ({error})") from error
    if not isinstance(key, getattr(kinds, f"Ed25519{half.title()}Key")):
        raise SignatureError(f"{path}: must be an ed25519 key; create one with openssl genpkey -algorithm ed25519")
    return key
