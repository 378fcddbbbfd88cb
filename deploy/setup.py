"""Certificates, passwords and settings for a device and its broker, once: sudo python3 deploy/setup.py --device NAME.

Writes /etc/radarecg: the settings of `radarecg run`, what the broker needs (broker/), and the device's own certificate
authority (authority/), which stays with root. Later, `--hub NAME` gives a hospital's hub its certificate.
Needs Python and openssl, which every JetPack has.
"""

from __future__ import annotations

import argparse
import base64
import grp
import hashlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
RADAR_FILES = ("awr1843_mmecg.cfg", "dca1000.toml")
RUNTIME_ID, BROKER_ID = 871, 1883
"""Users of the two containers: radarecg's in Dockerfile.jetson, mosquitto's in its image."""
NAME = re.compile(r"[a-z0-9-]{1,64}")  # what a topic may hold: edge/mqtt/fields.py
DAYS = 3650
ROUNDS = 10_000

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
port = 8883
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
"""


class SetupError(Exception):
    """What keeps the set-up from being done, and what to do."""


def set_up(folder: Path, device: str, names: list[str]) -> None:
    """Writes everything for `device`; by `names` others reach its broker. Raises SetupError, OSError."""
    if folder.exists():
        raise SetupError(f"{folder} exists: this is done once; to begin anew, with new passwords, move it away first")
    part = folder.with_name(f"{folder.name}.part")  # all of it or nothing
    shutil.rmtree(part, ignore_errors=True)
    _fill(part, device, names)
    part.rename(folder)


def add_hub(folder: Path, hub: str) -> Path:
    """A certificate and key by which a hub may read all; the stem of their names. Raises SetupError, OSError."""
    authority = folder / "authority"
    if not (authority / "ca.key").is_file():
        raise SetupError(f"{authority} has no authority: set the device up first, with --device")
    if (stem := authority / hub).with_suffix(".crt").exists():
        raise SetupError(f"{stem}.crt exists: choose another name, or remove it first")
    _issue(authority, stem, hub, "clientAuth", [])
    return stem


def write_compose_environment(path: Path) -> None:
    """Tells compose which group owns the GPU's render node on this machine; keeps the file's other lines."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if not line.startswith("RENDER_GID=")]
    try:
        kept.append(f"RENDER_GID={grp.getgrnam('render').gr_gid}")
    except KeyError:
        return
    path.write_text("\n".join(kept) + "\n")


def _fill(folder: Path, device: str, names: list[str]) -> None:
    authority, broker = folder / "authority", folder / "broker"
    for place in (folder, authority, broker):
        place.mkdir(mode=0o755)
    _make_authority(authority, device)
    _issue(authority, broker / "broker", "broker", "serverAuth", names)
    for place in (folder, broker):
        shutil.copy(authority / "ca.crt", place)
    for name in ("mosquitto.conf", "home.acl", "hub.acl"):
        shutil.copy(HERE / name, broker)
    words = {name: secrets.token_urlsafe(24) for name in (device, "home-assistant")}
    (broker / "passwords").write_text("".join(f"{name}:{_hashed(word)}\n" for name, word in words.items()))
    (folder / "password").write_text(f"{words[device]}\n")
    (authority / "home-assistant.password").write_text(f"{words['home-assistant']}\n")
    (folder / "radarecg.toml").write_text(SETTINGS.format(device=device))
    for name in RADAR_FILES:
        shutil.copy(HERE.parent / "firmware_config" / name, folder)
    _hand_over(authority, 0, 0o700)
    _hand_over(broker, BROKER_ID, 0o700)
    (folder / "password").chmod(0o600)
    os.chown(folder / "password", RUNTIME_ID, RUNTIME_ID)


def _make_authority(authority: Path, device: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as settings:
        settings.write(
            f"[req]\nprompt = no\ndistinguished_name = dn\nx509_extensions = ca\n[dn]\nCN = radarecg {device}\n"
            "[ca]\nbasicConstraints = critical, CA:TRUE, pathlen:0\nkeyUsage = critical, keyCertSign, cRLSign\n"
            "subjectKeyIdentifier = hash\n"
        )
        settings.flush()
        _openssl("req", "-x509", "-config", settings.name, *_new_key(authority / "ca"), "-days", str(DAYS))


def _issue(authority: Path, stem: Path, name: str, usage: str, others: list[str]) -> None:
    """`stem`.crt and .key of this common name, good for the addresses and host names in `others`."""
    extensions = (
        f"basicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\nextendedKeyUsage = {usage}\n"
        "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
    )
    if others:
        extensions += f"subjectAltName = {', '.join(map(_alternative, others))}\n"
    with tempfile.TemporaryDirectory() as place:
        request, settings = Path(place, "request"), Path(place, "extensions")
        settings.write_text(extensions)
        key, out = _new_key(stem)[:-1], str(request)
        _openssl("req", "-new", "-subj", f"/CN={name}", *key, out)
        by = ["-CA", str(authority / "ca.crt"), "-CAkey", str(authority / "ca.key"), "-CAcreateserial"]
        _openssl(
            *("x509", "-req", "-in", out, *by, "-days", str(DAYS), "-extfile", str(settings)),
            *("-out", str(stem.with_suffix(".crt"))),
        )


def _new_key(stem: Path) -> list[str]:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    return [*key, "-keyout", str(stem.with_suffix(".key")), "-out", str(stem.with_suffix(".crt"))]


def _openssl(*words: str) -> None:
    try:
        subprocess.run(["openssl", *words], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise SetupError("there is no openssl: sudo apt install openssl") from error
    except subprocess.CalledProcessError as error:
        raise SetupError(f"openssl {words[0]} failed: {error.stderr.strip()}") from error


def _alternative(name: str) -> str:
    return f"{'IP' if re.fullmatch(r'[0-9.]+|.*:.*', name) else 'DNS'}:{name}"


def _hashed(password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _hand_over(folder: Path, owner: int, mode: int) -> None:
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner, owner)
        path.chmod(mode if path.is_dir() else 0o600)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: small letters, digits and -, such as radar-0001")
    return text


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--device", type=_name, metavar="NAME", help="a serial number, never a person's name")
    wanted.add_argument("--hub", type=_name, metavar="NAME", help="who gets a certificate to read")
    parser.add_argument("--address", action="append", default=[], metavar="IP", help="of this machine in the home")
    parser.add_argument("--folder", type=Path, default=Path("/etc/radarecg"))
    args = parser.parse_args(arguments)
    try:
        if args.hub:
            stem = add_hub(args.folder, args.hub)
            print(f"give {args.hub}, over a safe way: {stem}.crt, {stem}.key, {args.folder / 'ca.crt'}")
            return 0
        host = socket.gethostname()
        set_up(args.folder, args.device, ["localhost", "127.0.0.1", host, f"{host}.local", *args.address])
        write_compose_environment(HERE.parent / ".env")
    except (SetupError, OSError) as error:
        print(f"setup: error: {error}", file=sys.stderr)
        return 2
    print(f"{args.folder} is ready; Home Assistant's password: {args.folder}/authority/home-assistant.password")
    return 0


if __name__ == "__main__":
    sys.exit(main())
