"""Verifies who made a bundle: a detached ed25519 signature of its bundle.json, which contains the model's digest.

`export.sign` signs bundles. Needs the library `cryptography`, imported only if the settings name a key.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from edge.core.errors import InputError, install_hint

SIGNATURE = "bundle.json.sig"


class SignatureError(InputError):
    """A bundle's signature is missing or wrong, or a key is unusable; the message names the file."""


def verify_signature(content: bytes, signature: Path, key: Path) -> None:
    """Verifie the file `signature` of `content` against the public `key` (PEM). Raises SignatureError."""
    public = load_key(key, "public")
    try:
        signed = signature.read_bytes()
    except OSError as error:
        raise SignatureError(
            f"{signature}: cannot be read ({error.strerror}); with a public key set ({key}), the bundle must be "
            "signed: python -m export.sign"
        ) from error
    try:
        public.verify(signed, content)
    except import_module("cryptography.exceptions").InvalidSignature as error:
        raise SignatureError(
            f"{signature}: not a signature of this bundle.json by the owner of {key}: copy the bundle again, or ask "
            "its maker"
        ) from error


def load_key(path: Path, half: str) -> Any:
    """Load the `half` ("public" or "private") of an ed25519 key from a PEM file. Raises SignatureError."""
    try:
        kinds = import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        load = getattr(import_module("cryptography.hazmat.primitives.serialization"), f"load_pem_{half}_key")
    except ImportError as error:
        raise SignatureError(f"signatures need the library cryptography ({error}): {install_hint('signed')}") from error
    try:
        key = load(path.read_bytes(), **({"password": None} if half == "private" else {}))
    except OSError as error:
        raise SignatureError(f"{path}: cannot be read ({error.strerror}); name a {half} key") from error
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted with a password
        raise SignatureError(f"{path}: must be a {half} key in PEM without a password ({error})") from error
    if not isinstance(key, getattr(kinds, f"Ed25519{half.title()}Key")):
        raise SignatureError(f"{path}: must be an ed25519 key; create one with openssl genpkey -algorithm ed25519")
    return key
