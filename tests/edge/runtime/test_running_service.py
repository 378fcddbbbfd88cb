"""The running service among this machine's processes, which are made up here."""

from pathlib import Path

import pytest

from edge.runtime import running_service as service


@pytest.fixture
def processes(tmp_path, monkeypatch):
    """Makes processes: their command lines, and what they have open."""
    monkeypatch.setattr(service, "PROC", tmp_path)

    def make(number, command, *opened):
        (tmp_path / str(number) / "fd").mkdir(parents=True)
        (tmp_path / str(number) / "cmdline").write_text(command.replace(" ", "\0") + "\0")
        for place, target in enumerate(opened):
            (tmp_path / str(number) / "fd" / str(place)).symlink_to(target)

    return make


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("/opt/radarecg/.venv/bin/python /opt/radarecg/.venv/bin/radarecg run --config a.toml", 7),
        ("python3 -m edge run --config a.toml", 7),
        ("python3 -m edge record run", None),
        ("radarecg record folder", None),
        ("mosquitto -c run", None),
        ("", None),
    ],
)
def test_what_is_the_service(processes, command, found):
    processes(7, command, "socket:[11]")
    assert service.service_with({"socket:[11]"}) == found


def test_only_who_has_the_file_open(processes):
    processes(7, "radarecg run", "socket:[11]", "/dev/ttyACM0")
    assert service.service_with({"/dev/ttyACM0"}) == 7
    assert service.service_with({"socket:[12]"}) is None
    assert service.service_with(set()) is None


def test_another_users_service_is_taken_to_have_it(processes, monkeypatch):
    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    processes(7, "radarecg run")
    monkeypatch.setattr(Path, "iterdir", forbidden)
    assert service.service_with({"socket:[11]"}) == 7
    assert service.service_with(set()) is None  # nobody has that port


def test_a_process_that_ends_meanwhile(processes, tmp_path):
    processes(7, "radarecg run")
    (tmp_path / "7" / "fd").rmdir()
    processes(8, "radarecg run", "socket:[11]")
    assert service.service_with({"socket:[11]"}) == 8


def test_the_sockets_of_a_port(tmp_path, monkeypatch):
    """Rows as proc(5) shows them."""
    monkeypatch.setattr(service, "PROC", tmp_path)
    assert service.udp_sockets(4098) == set()
    (tmp_path / "net").mkdir()
    head = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer\n"
    )
    row = "  42: {} 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 {} 2 0000000000000000 0\n"
    (tmp_path / "net/udp").write_text(head + row.format("00000000:1002", 111) + row.format("0100007F:1000", 112))
    (tmp_path / "net/udp6").write_text(head + row.format("00000000000000000000000000000000:1002", 113))
    assert service.udp_sockets(4098) == {"socket:[111]", "socket:[113]"}
    assert service.udp_sockets(4096) == {"socket:[112]"}
    assert service.udp_sockets(1) == set()
