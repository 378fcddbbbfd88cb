"""The device's own key, with which it recognises the engines that it built: an HMAC-SHA256 of an engine's description.

To load a TensorRT engine is to run its maker's code. The signature of a bundle covers the network but no engine, as
engines are built on the device. The key never leaves the device; only radarecg's user may read it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from edge.core.errors import InputError

NAME = "device.key"
"""Its file, beside the settings file, where no bundle or engine is ever copied to."""
KEY_BYTES = 32


class DeviceKeyError(InputError):
    """The device's key cannot be used; the message names the file and what to do."""


def create_key(path: Path) -> None:
    """Create the key, readable for its owner only, unless it exists. Raises DeviceKeyError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise DeviceKeyError(
            f"{path}: cannot create the device's key ({error.strerror}); create it for radarecg's user: "
            f"head -c {KEY_BYTES} /dev/urandom > {path}"
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))


def authenticate(content: bytes, path: Path) -> str:
    """Return the authentication code of a content under the key at `path`. Raises DeviceKeyError."""
    try:
        key = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise DeviceKeyError(
            f"{path}: cannot read the device's key ({error.strerror}); python -m export.ensure_engine creates it"
        ) from error
    if len(key) < KEY_BYTES or mode & 0o077:
        raise DeviceKeyError(
            f"{path}: must have at least {KEY_BYTES} random bytes and be readable for its owner only (chmod 600)"
        )
    return hmac.new(key, content, hashlib.sha256).hexdigest()
