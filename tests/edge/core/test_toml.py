"""Limits of TOML files: what would take gigabytes of memory is refused before it is parsed."""

import pytest

from edge.core.toml import MAX_CHARACTERS, MAX_KEY_PARTS, TomlError, parse_toml
from edge.radar.calibration_file import load_calibration
from edge.radar.dca1000.control import load_card
from edge.runtime.config import load_config
from edge.runtime.hub_config import load_hub_config

DEEP = {
    "dotted": "a" + ".a" * MAX_KEY_PARTS + " = 1",
    "table": "[x]\n[a" + ".a" * MAX_KEY_PARTS + "]",
    "quoted": "a" + '."b.\\" c"' * MAX_KEY_PARTS + " = 1",
    "literal": "a" + ".'b c'" * MAX_KEY_PARTS + " = 1",
    "spaces": "a" + " . b" * MAX_KEY_PARTS + " = 1",
    "in an inline table": "x = {y = 1, a" + ".a" * MAX_KEY_PARTS + " = 1}",
}


@pytest.mark.parametrize("name", DEEP)
def test_a_key_with_too_many_parts_is_refused_with_its_line(name):
    line = 2 if name == "table" else 1
    with pytest.raises(TomlError, match=f"line {line}: a key with more than {MAX_KEY_PARTS} parts"):
        parse_toml(DEEP[name], dict)


def test_a_key_of_a_hundred_thousand_parts_is_refused_by_every_settings_file(tmp_path, iwr6843):
    (tmp_path / "x.toml").write_text("a" + ".a" * 100_000 + " = 1")
    for load in (lambda path: load_config(path, {}), lambda path: load_hub_config(path, {}), load_card):
        with pytest.raises(ValueError, match=r"x\.toml: line 1: a key with more than"):
            load(tmp_path / "x.toml")
    with pytest.raises(ValueError, match=r"x\.toml: line 1: a key with more than"):
        load_calibration(tmp_path / "x.toml", iwr6843)


def test_what_is_not_deep_is_parsed():
    path = ".".join("a" * MAX_KEY_PARTS)  # one point fewer than parts
    numbers = ", ".join(["0.25"] * 1000)
    found = parse_toml(f'file = "{path}"\nrates = [{numbers}]\n[{path}]\nx = 1', dict)
    assert found["file"] == path
    assert found["rates"] == [0.25] * 1000
    for _ in range(MAX_KEY_PARTS):
        found = found["a"]
    assert found == {"x": 1}


def test_a_file_that_is_too_large_or_nested_too_deeply_is_refused():
    with pytest.raises(TomlError, match=f"at most {MAX_CHARACTERS} are allowed"):
        parse_toml("# " + "x" * MAX_CHARACTERS, dict)
    with pytest.raises(TomlError, match="nested too deeply"):
        parse_toml("a = " + "[" * 100_000, dict)


def test_a_number_of_five_thousand_digits_is_refused():
    with pytest.raises(TomlError, match="4300 digits"):
        parse_toml(f"period_s = {'9' * 5000}\n", dict)
