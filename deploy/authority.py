"""Certificate authorities of the set-up commands. Needs Python and openssl, which every JetPack has."""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

NAME = re.compile(r"[a-z0-9-]{1,64}")  # as in topics: edge/mqtt/fields.py
VALIDITY_DAYS = 3650


class SetupError(Exception):
    """The set-up failed; the message says why and what to do."""


def parse_name(text: str) -> str:
    """Return a name given on the command line. Raises ArgumentTypeError."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: use only lower-case letters, digits and -, such as radar-0001")
    return text


def make_authority(authority: Path, name: str) -> None:
    """Write ca.crt and ca.key of a new authority of this name into the folder. Raises SetupError."""
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as settings:
        settings.write(
            f"[req]\nprompt = no\ndistinguished_name = dn\nx509_extensions = ca\n[dn]\nCN = radarecg {name}\n"
            "[ca]\nbasicConstraints = critical, CA:TRUE, pathlen:0\nkeyUsage = critical, keyCertSign, cRLSign\n"
            "subjectKeyIdentifier = hash\n"
        )
        settings.flush()
        _openssl("req", "-x509", "-config", settings.name, *_new_key(authority / "ca"), "-days", str(VALIDITY_DAYS))


def issue(authority: Path, stem: Path, name: str, usage: str, others: list[str]) -> None:
    """Write `stem`.crt and .key for this common name, valid for the addresses and host names in `others`.

    Raises SetupError.
    """
    extensions = (
        f"basicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\nextendedKeyUsage = {usage}\n"
        "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"
    )
    if others:
        extensions += f"subjectAltName = {', '.join(map(_alternative, others))}\n"
    with tempfile.TemporaryDirectory() as temporary:
        request, settings = Path(temporary, "request"), Path(temporary, "extensions")
        settings.write_text(extensions)
        key, out = _new_key(stem)[:-1], str(request)
        _openssl("req", "-new", "-subj", f"/CN={name}", *key, out)
        by = ["-CA", str(authority / "ca.crt"), "-CAkey", str(authority / "ca.key"), "-CAcreateserial"]
        _openssl(
            *("x509", "-req", "-in", out, *by, "-days", str(VALIDITY_DAYS), "-extfile", str(settings)),
            *("-out", str(stem.with_suffix(".crt"))),
        )


def _new_key(stem: Path) -> list[str]:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    return [*key, "-keyout", str(stem.with_suffix(".key")), "-out", str(stem.with_suffix(".crt"))]


def _openssl(*arguments: str) -> None:
    try:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise SetupError("openssl not found: sudo apt install openssl") from error
    except subprocess.CalledProcessError as error:
        raise SetupError(f"openssl {arguments[0]} failed: {error.stderr.strip()}") from error


def _alternative(name: str) -> str:
    return f"{'IP' if re.fullmatch(r'[0-9.]+|.*:.*', name) else 'DNS'}:{name}"
