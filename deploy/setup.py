"""Creates certificates, passwords and settings for a device and its broker: sudo python3 deploy/setup.py --device NAME.

Run it once. It writes /etc/radarecg: the settings of `radarecg run`, the broker's files (broker/), and the device's own
certificate authority (authority/), which only root can read. Compose's .env gets what depends on this computer
(image_base.py). Later, `--hub NAME` issues a certificate for a hospital's hub, `--renew NAME` a new one for a hub or
the broker, and `--revoke NAME` makes a hub's worthless. Needs Python and its package cryptography.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import secrets
import shutil
import socket
import sys
from pathlib import Path

from image_base import UnsupportedReleaseError, find_base, warn_of_unpinned, write_compose_environment

try:
    from authority import (
        CLIENT,
        RESTART,
        SERVER,
        SetupError,
        issue,
        make_authority,
        parse_name,
        renew,
        require_certificate,
        revoke,
        write_revoked,
    )
except ImportError as missing:
    sys.exit(f"setup: error: {missing}: sudo apt install python3-cryptography")

HERE = Path(__file__).resolve().parent
RADAR_FILES = ("awr1843_mmecg.cfg", "dca1000.toml")
RUNTIME_ID, BROKER_ID = 871, 1883
"""Users of the two containers: radarecg's in Dockerfile.jetson, mosquitto's in its image."""
REVOKED = "revoked.crl"
HASH_ITERATIONS = 10_000

SETTINGS = """\
device = "{device}"
# log = "json"

[radar]
cfg = "awr1843_mmecg.cfg"
serial = "auto"
card = "dca1000.toml"
data_host = "192.168.33.30"

[mqtt]
host = "localhost"
port = 8885
tls = true
ca = "ca.crt"
username = "{device}"
password_file = "password"
home_assistant = true

[web]
host = "127.0.0.1"
port = 8080

[network]
backend = "tensorrt"
engine = "/var/lib/radarecg/engines/compact.engine"

[spool]
file = "/var/lib/radarecg/spool/radarecg-spool.db"

[history]
file = "/var/lib/radarecg/history/radarecg-history.sqlite"
"""


def set_up(folder: Path, device: str, names: list[str]) -> None:
    """Writes all files for `device`; its broker's certificate is valid for `names`. Raises SetupError, OSError."""
    if folder.exists():
        raise SetupError(
            f"{folder} exists: set-up runs only once; to start again with new passwords, move it away first"
        )
    part = folder.with_name(f"{folder.name}.part")  # renamed only when complete
    shutil.rmtree(part, ignore_errors=True)
    _write_files(part, device, names)
    part.rename(folder)


def add_hub(folder: Path, hub: str) -> Path:
    """Issues a certificate and key with which a hub may read all topics; returns the stem of their file names.

    Raises SetupError, OSError.
    """
    authority = _authority(folder)
    if (stem := authority / hub).with_suffix(".crt").exists():
        raise SetupError(f"{stem}.crt exists: renew it with --renew {hub}, or choose another name")
    issue(authority, stem, hub, CLIENT, [])
    return stem


def renew_certificate(folder: Path, name: str) -> Path:
    """Issues a new certificate and key for a hub or for "broker"; returns the stem of their file names.

    Raises SetupError, OSError.
    """
    authority = _authority(folder)
    stem = folder / "broker" / "broker" if name == "broker" else authority / name
    require_certificate(stem)
    renew(authority, stem)
    return stem


def revoke_hub(folder: Path, hub: str) -> int:
    """Adds a hub's certificates to the broker's list of revoked ones, and removes the hub's files.

    Returns how many were added. Raises SetupError, OSError.
    """
    authority = _authority(folder)
    return revoke(authority, authority / hub, folder / "broker" / REVOKED)


def _authority(folder: Path) -> Path:
    authority = folder / "authority"
    if not (authority / "ca.key").is_file():
        raise SetupError(f"{authority} has no certificate authority: set up the device first, with --device")
    return authority


def _write_files(folder: Path, device: str, names: list[str]) -> None:
    authority, broker = folder / "authority", folder / "broker"
    folder.mkdir(mode=0o700)  # until each file in it has its owner and mode
    for each in (authority, broker):
        each.mkdir(mode=0o700)
    make_authority(authority, f"radarecg {device}")
    issue(authority, broker / "broker", "broker", SERVER, names)
    write_revoked(authority, broker / REVOKED)
    for each in (folder, broker):
        shutil.copy(authority / "ca.crt", each)
    for name in ("mosquitto.conf", "home.acl", "hub.acl"):
        shutil.copy(HERE / name, broker)
    passwords = {name: secrets.token_urlsafe(24) for name in (device, "home-assistant")}
    (broker / "passwords").write_text("".join(f"{name}:{_hash(password)}\n" for name, password in passwords.items()))
    (folder / "password").write_text(f"{passwords[device]}\n")
    (authority / "home-assistant.password").write_text(f"{passwords['home-assistant']}\n")
    (folder / "radarecg.toml").write_text(SETTINGS.format(device=device))
    for name in RADAR_FILES:
        shutil.copy(HERE.parent / "firmware_config" / name, folder)
    _set_owner(authority, 0, 0o700)
    _set_owner(broker, BROKER_ID, 0o700)
    (folder / "device.key").write_bytes(secrets.token_bytes(32))  # edge/inference/device_key.py
    for name in ("password", "device.key"):
        (folder / name).chmod(0o600)
        os.chown(folder / name, RUNTIME_ID, RUNTIME_ID)
    (folder / "ca.crt").chmod(0o644)  # the runtime and hubs read it
    folder.chmod(0o755)


def _hash(password: str) -> str:
    """Hashes a password like mosquitto_passwd: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ITERATIONS)
    return f"$7${HASH_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _set_owner(folder: Path, owner: int, mode: int) -> None:
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner, owner)
        path.chmod(mode if path.is_dir() else 0o600)


def _change_certificates(folder: Path, args: argparse.Namespace) -> str:
    """Does what --hub, --renew or --revoke asks for; returns what to do next. Raises SetupError, OSError."""
    if args.revoke:
        return f"certificates revoked: {revoke_hub(folder, args.revoke)}; {RESTART}"
    stem = add_hub(folder, args.hub) if args.hub else renew_certificate(folder, args.renew)
    if args.renew == "broker":
        return f"renewed: {stem}.crt; {RESTART}"
    return f"transfer to {stem.name} securely: {stem}.crt, {stem}.key, {folder / 'ca.crt'}"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--device", type=parse_name, metavar="NAME", help="serial number, never a person's name")
    target.add_argument("--hub", type=parse_name, metavar="NAME", help="hub to issue a read-only certificate for")
    target.add_argument(
        "--renew", type=parse_name, metavar="NAME", help='hub, or "broker", to issue a new certificate for'
    )
    target.add_argument(
        "--revoke", type=parse_name, metavar="NAME", help="hub whose certificates the broker must refuse"
    )
    parser.add_argument(
        "--address", action="append", default=[], metavar="IP", help="this machine's address in the home network"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("/etc/radarecg"), help="folder to write (default: %(default)s)"
    )
    args = parser.parse_args(arguments)
    try:
        if args.hub or args.renew or args.revoke:
            print(_change_certificates(args.folder, args))
            return 0
        base = find_base()
        host = socket.gethostname()
        set_up(args.folder, args.device, ["localhost", "127.0.0.1", host, f"{host}.local", *args.address])
        write_compose_environment(HERE.parent / ".env", base)
    except (SetupError, UnsupportedReleaseError, OSError) as error:
        print(f"setup: error: {error}", file=sys.stderr)
        return 2
    for warning in warn_of_unpinned(HERE.parent / ".env"):
        print(warning)
    if base.command:
        print(f"before docker compose build, build the image's base: {base.command}")
    print(f"{args.folder} is ready; Home Assistant's password: {args.folder}/authority/home-assistant.password")
    return 0


if __name__ == "__main__":
    sys.exit(main())
