"""A device that knows its bundles' maker runs nobody else's."""

import hashlib
import os
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as another_kind
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edge.inference import bundle
from edge.inference.backends.base import BackendError
from edge.inference.backends.engine_file import (
    About,
    Machine,
    about_path,
    code_path,
    digest_of,
    read_engine,
    restore_previous,
    signature_path,
    write_engine,
)
from edge.inference.bundle import DESCRIPTION, MODEL, BundleError
from edge.inference.device_key import DeviceKeyError, create_key
from edge.inference.settings import load_configured_network
from edge.inference.signature import SIGNATURE, SignatureError, load_private_key
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


HERE = Machine("10.3.0", "12.6", "Orin", "8.7", 8)


@pytest.fixture
def trusted(signed, maker, tmp_path):
    """The signed bundle as a device with the maker's key and its own loads it."""
    create_key(tmp_path / "device.key")
    return bundle.load_bundle(signed, maker[1], tmp_path / "device.key")


def engine_of(loaded, path, device_key=None, content=b"plan"):
    sha256 = hashlib.sha256(content).hexdigest()
    about = About(bundle=digest_of(loaded), name="compact", points=50, precision="fp16", machine=HERE, sha256=sha256)
    write_engine(path, content, about, device_key=device_key)
    return path


def test_an_engine_of_this_device_is_loaded_and_one_from_elsewhere_is_not(trusted, tmp_path):
    engine = engine_of(trusted, tmp_path / "x.engine", trusted.device_key)
    assert read_engine(engine, trusted, HERE)[0] == b"plan"
    create_key(tmp_path / "other.key")
    for name, key in (("planted", None), ("other", tmp_path / "other.key")):
        planted = engine_of(trusted, tmp_path / f"{name}.engine", key, b"code")
        with pytest.raises(BackendError, match=r"not built on this device, and not signed; build it here"):
            read_engine(planted, trusted, HERE)
        assert read_engine(planted, bundle.load_bundle(trusted.folder), HERE)[0] == b"code"  # no key is set


def test_a_code_fits_one_engine_only(trusted, tmp_path):
    engine = engine_of(trusted, tmp_path / "x.engine", trusted.device_key)
    planted = engine_of(trusted, tmp_path / "planted.engine", None, b"code")
    code_path(planted).write_bytes(code_path(engine).read_bytes())
    with pytest.raises(BackendError, match="not built on this device"):
        read_engine(planted, trusted, HERE)
    engine.write_bytes(b"code")
    with pytest.raises(BackendError, match="built for content"):
        read_engine(engine, trusted, HERE)


def test_the_makers_signature_of_an_engine_is_enough(trusted, maker, tmp_path):
    engine = engine_of(trusted, tmp_path / "x.engine")
    described = about_path(engine).read_bytes()
    signature_path(engine).write_bytes(load_private_key(maker[0]).sign(described))
    assert read_engine(engine, trusted, HERE)[0] == b"plan"
    stranger = write_keys(tmp_path, "stranger", Ed25519PrivateKey.generate())
    signature_path(engine).write_bytes(load_private_key(stranger[0]).sign(described))
    with pytest.raises(SignatureError, match=r"x\.engine\.json\.sig: not a signature of this x\.engine\.json"):
        read_engine(engine, trusted, HERE)


def test_the_engine_before_keeps_its_code(trusted, tmp_path):
    engine = engine_of(trusted, tmp_path / "x.engine", trusted.device_key)
    engine_of(trusted, engine, trusted.device_key, b"new plan")
    assert restore_previous(engine, trusted, HERE)
    assert read_engine(engine, trusted, HERE)[0] == b"plan"


def test_a_device_key_that_others_may_read_is_refused(trusted, tmp_path):
    trusted.device_key.chmod(0o644)
    with pytest.raises(DeviceKeyError, match="readable for its owner only"):
        engine_of(trusted, tmp_path / "x.engine", trusted.device_key)
    trusted.device_key.unlink()
    with pytest.raises(DeviceKeyError, match=r"device\.key: cannot read"):
        engine_of(trusted, tmp_path / "x.engine", trusted.device_key)


def test_while_the_makers_key_is_replaced_both_keys_are_accepted(signed, maker, tmp_path):
    new = write_keys(tmp_path, "new", Ed25519PrivateKey.generate())
    both = tmp_path / "both.pem"
    both.write_bytes(new[1].read_bytes() + maker[1].read_bytes())
    bundle.load_bundle(signed, both)
    assert sign.main([os.fspath(signed), "--key", os.fspath(new[0])]) == 0
    bundle.load_bundle(signed, both)
    with pytest.raises(SignatureError, match="not a signature of"):
        bundle.load_bundle(signed, maker[1])


def test_an_earlier_version_is_refused(signed, maker):
    key = ["--key", os.fspath(maker[0])]
    before = bundle.load_bundle(signed, maker[1])
    assert before.about.version == 0
    assert sign.main([os.fspath(signed), *key, "--version", "2"]) == 0
    later = bundle.load_bundle(signed, maker[1], min_version=2)
    with pytest.raises(BundleError, match=r"bundle\.json: version 2, must be 3 or later"):
        bundle.load_bundle(signed, maker[1], min_version=3)
    bundle.require_newer(later, before)
    bundle.require_newer(later, later)
    with pytest.raises(BundleError, match="version 0 is earlier than the active one's, 2"):
        bundle.require_newer(before, later)
