"""Creates certificates, passwords and settings of a hub: sudo python3 deploy/hub/setup.py --address hub.example.

Run it once. It writes /etc/radarecg-hub: the broker's files (broker/), those of Telegraf, the FHIR bridge and the ward
page (programs/), and two certificate authorities (authorities/), which only root can read: one for devices,
one for programs. Compose's .env, beside compose.yaml, gets the passwords. Later, `--device NAME` issues a device's
certificate, and `--program NAME` that of another subscriber. Needs Python and its package cryptography.
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
    from authority import CLIENT, SERVER, SetupError, issue, make_authority, parse_name
except ImportError as missing:
    sys.exit(f"setup: error: {missing}: sudo apt install python3-cryptography")

HERE = Path(__file__).resolve().parent
PROGRAMS_ID, BROKER_ID = 871, 1883
"""Users of the containers: of Telegraf, the bridge and the ward page, and of mosquitto."""
PROGRAMS = ("telegraf", "hub")
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
    for name in ("devices", "programs"):
        make_authority(authorities / name, f"radarecg hub {name}")
        shutil.copy(authorities / name / "ca.crt", broker / f"{name}-ca.crt")
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
    if kind == "devices" and name in PROGRAMS:
        raise SetupError(f"{name} is the name of a program of the hub: choose another one for the device")
    if not (authority / "ca.key").is_file():
        raise SetupError(f"{authority} has no certificate authority: set up the hub first, with --address")
    if (stem := authority / name).with_suffix(".crt").exists():
        raise SetupError(f"{stem}.crt exists: choose another name, or remove it first")
    issue(authority, stem, name, CLIENT, [])
    return stem


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--address", action="append", metavar="NAME", help="the hub's host name or IP, for devices")
    target.add_argument("--device", type=parse_name, metavar="NAME", help="device to issue a certificate for")
    target.add_argument("--program", type=parse_name, metavar="NAME", help="subscriber to issue a certificate for")
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
        kind, name = ("devices", args.device) if args.device else ("programs", args.program)
        stem = add_certificate(args.folder, kind, name)
    except (SetupError, OSError) as error:
        print(f"setup: error: {error}", file=sys.stderr)
        return 2
    print(f"transfer to {name} securely: {stem}.crt, {stem}.key, {args.folder / 'programs/ca.crt'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
