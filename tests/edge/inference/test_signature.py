"""A device that knows its bundles' maker runs nobody else's."""

import os
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as another_kind
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edge.inference import bundle
from edge.inference.bundle import DESCRIPTION, MODEL, BundleError
from edge.inference.settings import load_configured_network
from edge.inference.signature import SIGNATURE, SignatureError
from edge.runtime.config import load_config
from export import sign


def write_keys(folder, name, key):
    private, public = folder / f"{name}.key", folder / f"{name}.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def maker(tmp_path):
    """Private and public key."""
    return write_keys(tmp_path, "maker", Ed25519PrivateKey.generate())


@pytest.fixture
def signed(bundle_copy, maker):
    assert sign.main([os.fspath(bundle_copy), "--key", os.fspath(maker[0])]) == 0
    return bundle_copy


def change_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_the_maker_signed_is_used(signed, maker):
    assert bundle.load_bundle(signed, maker[1]) == bundle.load_bundle(signed)


@pytest.mark.parametrize("name", [SIGNATURE, DESCRIPTION])
def test_one_changed_byte_is_found(signed, maker, name):
    change_a_byte(signed / name)
    with pytest.raises(
        SignatureError, match=r"bundle.json.sig: not a signature of this bundle.json by the owner of .*maker.pem"
    ):
        bundle.load_bundle(signed, maker[1])


def test_one_changed_byte_of_the_model_is_found_by_its_digest(signed, maker):
    change_a_byte(signed / MODEL)
    with pytest.raises(BundleError, match="sha256"):
        bundle.load_bundle(signed, maker[1])


def test_another_makers_bundle_and_one_that_nobody_signed_are_refused(signed, maker, tmp_path):
    stranger = write_keys(tmp_path, "stranger", Ed25519PrivateKey.generate())
    with pytest.raises(SignatureError, match="not a signature of"):
        bundle.load_bundle(signed, stranger[1])
    (signed / SIGNATURE).unlink()
    with pytest.raises(SignatureError, match=r"bundle.json.sig: cannot be read .*must be signed"):
        bundle.load_bundle(signed, maker[1])


def test_the_runtimes_settings_ask_for_the_signature(signed, maker, tmp_path):
    path = tmp_path / "radarecg.toml"
    path.write_text('device = "r"\n[radar]\ncfg = "x"\n[network]\nbundle = "compact"\npublic_key = "maker.pem"\n')
    assert load_configured_network(load_config(path).network, path).name.startswith("compact-")
    (signed / SIGNATURE).unlink()
    with pytest.raises(SignatureError, match="must be signed"):
        load_configured_network(load_config(path).network, path)


def test_a_key_that_is_none_is_told_in_one_line(bundle_copy, maker, tmp_path, capsys):
    (tmp_path / "text.key").write_text("no key")
    write_keys(tmp_path, "other", another_kind(SECP256R1()))
    for name, message in {
        "none.key": "cannot be read",
        "text.key": "must be a private key in PEM",
        "maker.pem": "must be a private key in PEM",
        "other.key": "must be an ed25519 key",
    }.items():
        assert sign.main([os.fspath(bundle_copy), "--key", os.fspath(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert f"{name}: {message}" in error
        assert error.count("\n") == 1
    assert not (bundle_copy / SIGNATURE).exists()


def test_without_the_library_the_extra_is_named(signed, maker, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(SignatureError, match=r"pip install '\.\[signed\]'"):
        bundle.load_bundle(signed, maker[1])
