"""A bundle is used as it was written or not at all."""

import json
from pathlib import Path

import pytest

from edge.core import spec
from edge.inference import bundle
from edge.inference.bundle import DESCRIPTION, MODEL, BundleError


def edited(folder: Path, **changes: object) -> Path:
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_one_changed_byte_is_found(bundle_copy):
    model = bytearray((bundle_copy / MODEL).read_bytes())
    model[len(model) // 2] ^= 1
    (bundle_copy / MODEL).write_bytes(model)
    with pytest.raises(BundleError, match=r"model.onnx: sha256 differs"):
        bundle.load_bundle(bundle_copy)


@pytest.mark.parametrize("name", [MODEL, DESCRIPTION])
def test_a_missing_file_is_named(bundle_copy, name):
    (bundle_copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: cannot read this file of the bundle"):
        bundle.load_bundle(bundle_copy)


def test_no_folder_is_no_bundle(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none: no such bundle; python -m export.bundle makes one"):
        bundle.load_bundle(tmp_path / "none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "radarecg.bundle/2", "more": 1}, "format 'radarecg.bundle/2' must be radarecg.bundle/1"),
        ({"spec": "0123456789abcdef"}, "trained for the spec 0123456789abcdef, but this version has"),
        ({"sst": {"frame_rate_hz": 30, "look_ahead_s": 0.0}}, "spectrograms or labels have changed"),
        ({"sst": {"frame_rate_hz": 31}}, "frame_rate_hz is 31"),
        ({"points": 0}, "points"),
        ({"points": 50}, r"inputs are .* \[batch, points, 71, 120\], must be spectrograms \[batch, 50, 71, 120\]"),
        ({"outputs": []}, "outputs are , must be ecg"),
        ({"precision": "int1"}, "precision"),
        ({"sha256": {}}, "sha256 must list model.onnx and golden.npz"),
        ({"unheard": 1}, "unheard"),
    ],
)
def test_a_description_that_does_not_fit_says_so(bundle_copy, changes, message):
    with pytest.raises(BundleError, match=message):
        bundle.load_bundle(edited(bundle_copy, **changes))


def test_other_numbers_in_the_spec_are_another_spec(compact_bundle, monkeypatch):
    monkeypatch.setattr(spec, "SST_LOW_HZ", 0.7)
    with pytest.raises(BundleError, match="train and export again"):
        bundle.load_bundle(compact_bundle)


def test_a_half_written_description_is_refused(bundle_copy):
    content = (bundle_copy / DESCRIPTION).read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"\xff\xfe", b"[]"):
        (bundle_copy / DESCRIPTION).write_bytes(damaged)
        with pytest.raises(BundleError, match=r"bundle.json: .*export the bundle again"):
            bundle.load_bundle(bundle_copy)
