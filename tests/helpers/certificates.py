"""An authority for one test, and what it vouches for."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Writes its own certificate to `ca.crt` in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key, self._name = ec.generate_private_key(ec.SECP256R1()), _name("test authority")
        self.certificate = folder / "ca.crt"
        own = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), critical=True)
        self._write(self.certificate, own)

    def issue(self, name: str, hours: int = 1, password: bytes | None = None) -> tuple[Path, Path]:
        """Certificate and key of this common name; good for 127.0.0.1 too, and from two hours before its end on."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate, file = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        self._write(certificate, self._builder(_name(name), key, hours).add_extension(address, critical=False))
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        secret = serialization.BestAvailableEncryption(password) if password else plain
        file.touch(mode=0o600)
        file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, secret))
        return certificate, file

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, hours: int = 1) -> x509.CertificateBuilder:
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
        start = end - datetime.timedelta(hours=2)
        number = x509.random_serial_number()
        return x509.CertificateBuilder(self._name, name, key.public_key(), number, start, end)

    def _write(self, path: Path, builder: x509.CertificateBuilder) -> None:
        certificate = builder.sign(self._key, hashes.SHA256())
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
