"""Error messages when the capture program's JSON is given instead of dca1000.toml."""

import json

import pytest

from edge.radar.dca1000.control import CardConfig, CardError, load_card

SETTINGS = {
    "packetDelay_us": 10,
    "ethernetConfig": {"DCA1000IPAddress": "192.168.33.181", "DCA1000ConfigPort": 4097},
    "ethernetConfigUpdate": {"systemIPAddress": "192.168.33.31"},
}


def test_the_same_settings_are_shown_as_toml(tmp_path):
    (tmp_path / "cf.json").write_text("\ufeff" + json.dumps({"DCA1000Config": SETTINGS}, indent=2), encoding="utf-8")
    with pytest.raises(
        CardError, match=r"cf\.json: this is the capture program's JSON; the same in dca1000\.toml is: "
    ) as raised:
        load_card(tmp_path / "cf.json")
    lines = str(raised.value).partition("toml is: ")[2].removesuffix(" (each on its own line)").split("; ")
    (tmp_path / "card.toml").write_text("\n".join(lines))
    assert load_card(tmp_path / "card.toml") == CardConfig("192.168.33.181", "192.168.33.31", 4097, 10)


@pytest.mark.parametrize("content", ["{", "{}", '{"DCA1000Config": 1}', '{"DCA1000Config": {"ethernetConfig": []}}'])
def test_other_json_is_distinguished_from_toml(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(CardError, match=r"x\.json: this is "):
        load_card(tmp_path / "x.json")


def test_a_byte_order_mark_is_no_setting(tmp_path):
    (tmp_path / "card.toml").write_text("packet_delay_us = 5\n", encoding="utf-8-sig")
    assert load_card(tmp_path / "card.toml").packet_delay_us == 5
