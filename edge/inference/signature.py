"""Whose bundle this is: a detached ed25519 signature of its bundle.json, which has the digests of all the rest.

`export.sign` signs. Needs the library `cryptography`, loaded only where a key is named.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from edge.core.errors import InputError, install_hint

SIGNATURE = "bundle.json.sig"


class SignatureError(InputError):
    """A bundle that is not signed as it should be, or a key that cannot be used; the message names the file."""


def check(content: bytes, signature: Path, key: Path) -> None:
    """Raises SignatureError unless the file `signature` is that of `content` by the owner of the public `key` (PEM)."""
    public = load_key(key, "public")
    try:
        signed = signature.read_bytes()
    except OSError as error:
        raise SignatureError(
            f"{signature}: cannot be read ({error.strerror}), and with a public key named ({key}) the bundle must be "
            "signed: python -m export.sign"
        ) from error
    try:
        public.verify(signed, content)
    except import_module("cryptography.exceptions").InvalidSignature as error:
        raise SignatureError(
            f"{signature}: the owner of {key} did not sign this bundle.json: copy the bundle again, or ask its maker"
        ) from error


def load_key(path: Path, half: str) -> Any:
    """The `half` "public" or "private" of an ed25519 key, of a PEM file. Raises SignatureError."""
    try:
        kinds = import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        load = getattr(import_module("cryptography.hazmat.primitives.serialization"), f"load_pem_{half}_key")
    except ImportError as error:
        raise SignatureError(f"no cryptography for signatures ({error}): {install_hint('signed')}") from error
    try:
        key = load(path.read_bytes(), **({"password": None} if half == "private" else {}))
    except OSError as error:
        raise SignatureError(f"{path}: cannot be read ({error.strerror}); name a {half} key") from error
    except (ValueError, TypeError) as error:  # TypeError: it needs a password
        raise SignatureError(f"{path}: not a {half} key in PEM without a password ({error})") from error
    if not isinstance(key, getattr(kinds, f"Ed25519{half.title()}Key")):
        raise SignatureError(f"{path}: not an ed25519 key: openssl genpkey -algorithm ed25519 makes one")
    return key
