"""The device's certificate authority: issues certificates, renews them, and revokes those that got lost.

Runs on JetPack's Python (3.10, or 3.12) with its package python3-cryptography (3.4 or later).
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME = re.compile(r"[a-z0-9-]{1,64}")  # as in topics: edge/mqtt/fields.py
AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 730
"""A broker's whose certificate has expired receives nothing from its device; two years leave time to renew it."""
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ISSUED = "issued.txt"
"""A line for each certificate: serial number, hexadecimal, and name."""
RESTART = "the broker reads it at its start: docker compose restart broker"

_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


class SetupError(Exception):
    """The set-up failed; the message says why and what to do."""


def parse_name(text: str) -> str:
    """Return a name given on the command line. Raises ArgumentTypeError."""
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: use only lower-case letters, digits and -, such as radar-0001")
    return text


def make_authority(folder: Path, name: str) -> None:
    """Write ca.crt and ca.key into the folder. Raises OSError."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = _certificate(subject, subject, key.public_key(), AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
    _write_pair(folder / "ca", builder.sign(key, hashes.SHA256()), key)


def issue(authority: Path, stem: Path, name: str, usage: x509.ObjectIdentifier, addresses: list[str]) -> None:
    """Write `stem`.crt and .key for this common name, valid for these addresses and host names.

    Files of that name are replaced; the certificate before stays valid until it expires or is revoked. Raises OSError.
    """
    alternatives = x509.SubjectAlternativeName([_alternative(each) for each in addresses]) if addresses else None
    _issue(authority, stem, name, usage, alternatives)


def renew(authority: Path, stem: Path) -> None:
    """Replace `stem`.crt and .key by a new pair for the same name, use and addresses. Raises OSError."""
    old = x509.load_pem_x509_certificate(stem.with_suffix(".crt").read_bytes())
    name = str(old.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    extensions = {type(each.value): each.value for each in old.extensions}
    (usage,) = extensions[x509.ExtendedKeyUsage]  # type: ignore[misc]
    _issue(authority, stem, name, usage, extensions.get(x509.SubjectAlternativeName))


def require_certificate(stem: Path) -> None:
    """Raise SetupError unless `stem`.crt is a certificate that was issued."""
    if stem.name == "ca" or not stem.with_suffix(".crt").is_file():
        raise SetupError(f"{stem}.crt not found: there is no certificate of that name")


def revoke(authority: Path, stem: Path, crl: Path) -> int:
    """Add all certificates of the name of `stem` to the list of revoked ones, and remove its files.

    Returns how many were added. Raises SetupError, OSError.
    """
    require_certificate(stem)
    added = write_revoked(authority, crl, stem.name)
    for suffix in (".crt", ".key"):
        stem.with_suffix(suffix).unlink()
    return added


def write_revoked(authority: Path, crl: Path, name: str | None = None) -> int:
    """Write the list of revoked certificates, with all those issued for `name` added to the present list.

    Returns how many were added. Raises OSError.
    """
    certificate, key = _load_authority(authority)
    now = datetime.now(timezone.utc)
    builder = x509.CertificateRevocationListBuilder().issuer_name(certificate.subject).last_update(now)
    # A broker refuses every client when its list is out of date, so the list is valid as long as an authority.
    builder = builder.next_update(now + timedelta(days=AUTHORITY_DAYS))
    known = set()
    if crl.exists():
        for each in x509.load_pem_x509_crl(crl.read_bytes()):
            builder = builder.add_revoked_certificate(each)
            known.add(each.serial_number)
    lines = (authority / ISSUED).read_text().splitlines() if (authority / ISSUED).exists() else []
    added = {int(serial, 16) for serial, issued in map(str.split, lines) if issued == name} - known
    for serial in added:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
        builder = builder.add_revoked_certificate(revoked.build())
    signed = builder.sign(key, hashes.SHA256())
    _replace(crl, signed.public_bytes(serialization.Encoding.PEM))
    return len(added)


def _issue(authority: Path, stem: Path, name: str, usage: x509.ObjectIdentifier, alternatives: Any) -> None:
    issuer, issuer_key = _load_authority(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _certificate(_name(name), issuer.subject, key.public_key(), CERTIFICATE_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage("digital_signature"), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(by, critical=False)
    if alternatives is not None:
        builder = builder.add_extension(alternatives, critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    with (authority / ISSUED).open("a") as issued:
        issued.write(f"{certificate.serial_number:x} {name}\n")
    _write_pair(stem, certificate, key)


def _certificate(subject: x509.Name, issuer: x509.Name, key: Any, days: int) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    # A clock that is a little behind, as that of a device without a battery, must not refuse a new certificate.
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _key_usage(*uses: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each in uses for each in _USES})


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    is_address = re.fullmatch(r"[0-9.]+|.*:.*", name)
    return x509.IPAddress(ipaddress.ip_address(name)) if is_address else x509.DNSName(name)


def _load_authority(folder: Path) -> tuple[x509.Certificate, Any]:
    certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    return certificate, serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)


def _write_pair(stem: Path, certificate: x509.Certificate, key: Any) -> None:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    _replace(stem.with_suffix(".key"), key.private_bytes(encoding, form, serialization.NoEncryption()))
    _replace(stem.with_suffix(".crt"), certificate.public_bytes(encoding))


def _replace(path: Path, content: bytes) -> None:
    """Write a file for its owner only, in one step; it keeps the owner of the one before."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
    if path.exists():
        os.chown(part, path.stat().st_uid, path.stat().st_gid)
    part.replace(path)
