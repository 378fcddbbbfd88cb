"""The base of the image: that for this computer, pinned by its digest, and in the bill of materials."""

import pytest

from tests.conftest import ROOT
from tests.helpers.deploy import load_deployed


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (
            "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64",
            "nvcr.io/nvidia/l4t-tensorrt",
        ),
        (
            "# R36 (release), REVISION: 5.0, GCID: 43688277, BOARD: generic, EABI: aarch64",
            "nvcr.io/nvidia/l4t-tensorrt",
        ),
        ("# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic", "jetpack7"),
        ("# R39 (release), REVISION: 2.1, GCID: 46758480, BOARD: generic", "jetpack7"),
    ],
)
def test_the_base_is_that_of_the_jetsons_release(tmp_path, line, name):
    release = tmp_path / "nv_tegra_release"
    release.write_text(f"{line}\n# KERNEL_VARIANT: oot\n")
    base = load_deployed("image_base").find_base(release)
    assert base.name.split(":")[0] == name
    assert (base.command is None) == (":" in base.name)


def test_a_computer_that_is_no_jetson_gets_the_base_for_a_card_and_an_old_jetson_an_error(tmp_path):
    module, release = load_deployed("image_base"), tmp_path / "nv_tegra_release"
    assert module.find_base(release).command == "docker build -f deploy/tensorrt.Dockerfile -t tensorrt deploy"
    for line in ("# R35 (release), REVISION: 4.1", "unreadable"):
        release.write_text(line)
        with pytest.raises(module.UnsupportedReleaseError, match="flash JetPack 6 or 7"):
            module.find_base(release)


def test_images_without_a_digest_are_named_until_they_are_pinned(tmp_path):
    module, path = load_deployed("image_base"), tmp_path / ".env"
    base, broker = module.JETPACK_6.name, module.BROKER
    module.write_compose_environment(path, module.JETPACK_6)
    assert [warning.split()[1] for warning in module.warn_of_unpinned(path)] == [base, broker]
    digest = f"@sha256:{64 * 'a'}"
    path.write_text(f"BASE={base}{digest}\nBROKER_IMAGE=eclipse-mosquitto{digest}\n")
    assert module.warn_of_unpinned(path) == []
    module.write_compose_environment(path, module.JETPACK_6)
    assert f"BASE={base}{digest}\n" in path.read_text()
    module.write_compose_environment(path, module.JETPACK_7)  # built here, from the Jetson's own packages
    assert "BASE=jetpack7\n" in path.read_text()
    assert module.warn_of_unpinned(path) == []


def test_compose_and_the_check_name_the_same_broker():
    assert f"image: ${{BROKER_IMAGE:-{load_deployed('image_base').BROKER}}}\n" in (ROOT / "compose.yaml").read_text()


DPKG_STATUS = """\
Package: zlib1g
Status: install ok installed
Architecture: arm64
Version: 1:1.2.11.dfsg-2ubuntu9.2
Description: compression library
 Package: not a field

Package: removed
Status: deinstall ok config-files
Architecture: arm64
Version: 1

Package: libstdc++6
Status: hold ok installed
Architecture: arm64
Version: 12.3.0-1ubuntu1~22.04
"""


def test_the_bill_of_materials_has_the_packages_of_the_base(tmp_path):
    for name, text in (("etc/os-release", 'ID=ubuntu\nVERSION_ID="22.04"\n'), ("var/lib/dpkg/status", DPKG_STATUS)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    bill = {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [{"bom-ref": "numpy", "name": "numpy"}],
        "dependencies": [{"ref": "root", "dependsOn": ["numpy"]}, {"ref": "numpy"}],
    }
    load_deployed("sbom").add_base(bill, tmp_path)
    assert [each["name"] for each in bill["components"]] == ["numpy", "libstdc++6", "zlib1g"]
    zlib = "pkg:deb/ubuntu/zlib1g@1%3A1.2.11.dfsg-2ubuntu9.2?arch=arm64&distro=ubuntu-22.04"
    assert bill["components"][-1] == {
        "type": "library",
        "bom-ref": zlib,
        "name": "zlib1g",
        "version": "1:1.2.11.dfsg-2ubuntu9.2",
        "purl": zlib,
    }
    stdcpp = "pkg:deb/ubuntu/libstdc%2B%2B6@12.3.0-1ubuntu1~22.04?arch=arm64&distro=ubuntu-22.04"
    assert bill["dependencies"][0]["dependsOn"] == ["numpy", stdcpp, zlib]
    assert {each["ref"] for each in bill["dependencies"]} == {"root", "numpy", stdcpp, zlib}
