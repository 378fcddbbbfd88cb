"""Creates certificates, passwords and settings of a hub: sudo python3 deploy/hub/setup.py --address hub.example.

Run it once. It writes /etc/radarecg-hub: the broker's files (broker/), those of Telegraf, the FHIR bridge and the ward
page (programs/), and two certificate authorities (authorities/), which only root can read: one for devices,
one for programs. Compose's .env, beside compose.yaml, gets the passwords. Later, `--device NAME` issues a device's
certificate, and `--program NAME` that of another subscriber; `--renew NAME` issues a new one, also for "broker", and
`--revoke NAME` makes one worthless. Needs Python and its package cryptography.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

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
PROGRAMS_ID, BROKER_ID = 871, 1883
"""Users of the containers: of Telegraf, the bridge and the ward page, and of mosquitto."""
KINDS = ("devices", "programs")
PROGRAMS = ("telegraf", "hub")
OWN = {"broker": ("devices", "broker"), **dict.fromkeys(PROGRAMS, ("programs", "programs"))}
"""The hub's own certificates: the authority of each, and the folder of its files."""
BROKER_FILES = ("mosquitto.conf", "devices.acl", "programs.acl")

BROKER_SETTINGS = """\
[mqtt]
host = "broker"
port = 8884
tls = true
ca = "ca.crt"
cert = "hub.crt"
key = "hub.key"
"""
BRIDGE_SETTINGS = f"""\
{BROKER_SETTINGS}
[spool]
file = "/var/lib/radarecg/fhir-spool.db"

[fhir]
dead_letters = "/var/lib/radarecg/fhir-dead-letters"
"""
WARD_SETTINGS = f"""\
{BROKER_SETTINGS}
[ward]
host = "0.0.0.0"
port = 8081
records = "/var/lib/radarecg/ward.json"

[ward.admin_tokens]
admin = "ward-admin.token"
"""


def set_up(folder: Path, names: list[str]) -> None:
    """Write all files; the broker's certificate is valid for `names`. Raises SetupError, OSError."""
    if folder.exists():
        raise SetupError(f"{folder} exists: set-up runs only once; to start again, move it away first")
    part = folder.with_name(f"{folder.name}.part")  # renamed only when complete
    shutil.rmtree(part, ignore_errors=True)
    authorities, broker, programs = part / "authorities", part / "broker", part / "programs"
    for each in (part, authorities, authorities / "devices", authorities / "programs", broker, programs):
        each.mkdir(mode=0o700)
    for name in KINDS:
        make_authority(authorities / name, f"radarecg hub {name}")
        shutil.copy(authorities / name / "ca.crt", broker / f"{name}-ca.crt")
        write_revoked(authorities / name, _revoked(part, name))
    issue(authorities / "devices", broker / "broker", "broker", SERVER, ["broker", *names])
    for name in BROKER_FILES:
        shutil.copy(HERE / name, broker)
    for name in PROGRAMS:
        issue(authorities / "programs", programs / name, name, CLIENT, [])
    shutil.copy(authorities / "devices" / "ca.crt", programs / "ca.crt")  # it signed the broker's certificate
    (programs / "hub.toml").write_text(BRIDGE_SETTINGS)
    (programs / "ward.toml").write_text(WARD_SETTINGS)
    (programs / "ward-admin.token").write_text(f"{secrets.token_urlsafe(24)}\n")
    for each, owner in ((broker, BROKER_ID), (programs, PROGRAMS_ID)):
        for path in (each, *each.iterdir()):
            os.chown(path, owner, owner)
            path.chmod(0o700 if path.is_dir() else 0o600)
    part.chmod(0o755)
    part.rename(folder)


def write_compose_environment(path: Path, folder: Path) -> None:
    """Write the passwords of InfluxDB and Grafana, unless the file exists."""
    if path.exists():
        return
    values = {name: secrets.token_urlsafe(32) for name in ("INFLUX_TOKEN", "INFLUX_PASSWORD", "GRAFANA_PASSWORD")}
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in {"HUB": str(folder), **values}.items()))


def add_certificate(folder: Path, kind: str, name: str) -> Path:
    """Issue a certificate to a device or program; return the stem of its file names. Raises SetupError, OSError."""
    authority = folder / "authorities" / kind
    if name == "broker" or (kind == "devices" and name in OWN):
        raise SetupError(f"{name} is the name of a program of the hub: choose another one")
    if not (authority / "ca.key").is_file():
        raise SetupError(f"{authority} has no certificate authority: set up the hub first, with --address")
    for _, stem in _places(folder, name):
        if stem.with_suffix(".crt").exists():
            raise SetupError(f"{stem}.crt exists: renew it with --renew {name}, or choose another name")
    stem = dict(_places(folder, name))[kind]
    issue(authority, stem, name, CLIENT, [])
    if name in PROGRAMS:  # again, after it was revoked
        for suffix in (".crt", ".key"):
            os.chown(stem.with_suffix(suffix), PROGRAMS_ID, PROGRAMS_ID)
    return stem


def renew_certificate(folder: Path, name: str) -> Path:
    """Issue a new certificate and key for the same name; return the stem of its file names.

    Raises SetupError, OSError.
    """
    kind, stem = _find(folder, name)
    renew(folder / "authorities" / kind, stem)
    return stem


def revoke_certificate(folder: Path, name: str) -> int:
    """Add all certificates of a device or program to the broker's list of revoked ones; return how many.

    Raises SetupError, OSError.
    """
    kind, stem = _find(folder, name)
    if name == "broker":
        raise SetupError("devices have no list of revoked certificates; --renew broker replaces the broker's")
    if not (crl := _revoked(folder, kind)).is_file():
        raise SetupError(
            f"{crl} not found, so the broker would not refuse {name}: set up the hub again, with --address"
        )
    return revoke(folder / "authorities" / kind, stem, crl)


def _revoked(folder: Path, kind: str) -> Path:
    return folder / "broker" / f"{kind}-revoked.crl"


def _places(folder: Path, name: str) -> list[tuple[str, Path]]:
    """Return the kinds that a certificate of this name can have, each with the stem of its file names."""
    if name in OWN:
        kind, place = OWN[name]
        return [(kind, folder / place / name)]
    return [(kind, folder / "authorities" / kind / name) for kind in KINDS]


def _find(folder: Path, name: str) -> tuple[str, Path]:
    """Return the kind of a certificate and the stem of its file names. Raises SetupError."""
    places = _places(folder, name)
    kind, stem = next((each for each in places if each[1].with_suffix(".crt").is_file()), places[0])
    require_certificate(stem)
    return kind, stem


def _change_certificates(folder: Path, args: argparse.Namespace) -> str:
    """Do what --device, --program, --renew or --revoke asks for; return what to do next. Raises SetupError, OSError."""
    if args.revoke:
        return f"certificates revoked: {revoke_certificate(folder, args.revoke)}; {RESTART}"
    if args.renew:
        stem = renew_certificate(folder, args.renew)
    else:
        kind, name = ("devices", args.device) if args.device else ("programs", args.program)
        stem = add_certificate(folder, kind, name)
    if stem.name in OWN:
        return f"written: {stem}.crt; it is read at the start: docker compose restart"
    return f"transfer to {stem.name} securely: {stem}.crt, {stem}.key, {folder / 'programs/ca.crt'}"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--address", action="append", metavar="NAME", help="the hub's host name or IP, for devices")
    target.add_argument("--device", type=parse_name, metavar="NAME", help="device to issue a certificate for")
    target.add_argument("--program", type=parse_name, metavar="NAME", help="subscriber to issue a certificate for")
    target.add_argument(
        "--renew", type=parse_name, metavar="NAME", help='any of them, or "broker", for a new certificate'
    )
    target.add_argument(
        "--revoke", type=parse_name, metavar="NAME", help="device or program that the broker must refuse"
    )
    parser.add_argument("--folder", type=Path, default=Path("/etc/radarecg-hub"), help="(default: %(default)s)")
    parser.add_argument("--env", type=Path, default=HERE / ".env", help="file of compose (default: %(default)s)")
    args = parser.parse_args(arguments)
    try:
        if args.address:
            set_up(args.folder, args.address)
            write_compose_environment(args.env, args.folder)
            print(f"{args.folder} is ready; Grafana's password (user admin) is in {args.env}")
            print(f"the ward page's token is in {args.folder}/programs/ward-admin.token")
            return 0
        print(_change_certificates(args.folder, args))
    except (SetupError, OSError) as error:
        print(f"setup: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
