"""The spool: order, size limit, and recovery after a kill, a power failure, a full disk and a damaged file."""

import random
import shutil
import signal
import subprocess
import sys

import pytest

from edge.mqtt.settings import SpoolConfig, open_device_spool, open_spool
from edge.mqtt.spool import MAX_WAL_BYTES, Spool, SpoolError
from tests.helpers.processes import child

MIB = 1 << 20


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool.db", MIB)
    yield spool
    spool.close()


def numbers(spool: Spool) -> list[int]:
    return [message.number for message in spool.oldest(0, 1_000_000)]


def texts(spool: Spool) -> list[str]:
    return [message.payload.decode() for message in spool.oldest(0, 1_000_000)]


def test_messages_come_back_in_order_until_deleted(spool):
    kept = [spool.append("vitals", f"{k}".encode()) for k in range(10)]
    assert kept == sorted(kept)
    assert [m.payload for m in spool.oldest(kept[3], 2)] == [b"4", b"5"]
    assert spool.oldest(0, 1)[0].suffix == "vitals"
    spool.delete(kept[:5])
    assert texts(spool) == ["5", "6", "7", "8", "9"]
    assert spool.count().messages == 5


def test_numbers_rise_across_restarts_and_deletions(tmp_path):
    first = Spool(tmp_path / "spool.db", MIB)
    last = [first.append("vitals", b"x") for _ in range(3)][-1]
    first.close()
    second = Spool(tmp_path / "spool.db", MIB)
    assert second.append("vitals", b"y") == last + 1
    assert second.count().messages == 4
    second.close()


def test_evictions_at_the_limit_are_counted_and_logged(tmp_path, caplog):
    spool = Spool(tmp_path / "spool.db", MIB)
    for k in range(3000):
        spool.append("ecg", f"{k:04d}".encode() * 250)
    spool.sync()
    count = spool.count()
    assert count.messages + count.evicted == 3000
    assert count.bytes <= MIB
    assert count.messages * 1000 > 0.7 * MIB  # the limit is used
    assert numbers(spool) == list(range(3001 - count.messages, 3001))  # the newest, without a gap
    assert caplog.text.count("oldest messages are deleted") == 1
    spool.close()
    assert (tmp_path / "spool.db").stat().st_size <= MIB


def test_delivered_messages_do_not_grow_the_files(spool, tmp_path):
    for _ in range(60):
        for _ in range(50):
            spool.delete([spool.append("ecg", b"x" * 1500)])
        spool.sync()
    assert (tmp_path / "spool.db-wal").stat().st_size < MAX_WAL_BYTES + MIB
    assert (tmp_path / "spool.db").stat().st_size < MIB


def test_appended_messages_survive_a_killed_process(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom edge.mqtt.spool import Spool\n"
        f"spool = Spool(Path({str(tmp_path / 'spool.db')!r}), 1 << 24)\n"
        "for k in range(10**6):\n"
        "    spool.append('vitals', b'%d' % k)\n"
        "    print(k, flush=True)\n"
    )
    with child([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as writer:
        for _ in range(500):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        written = 500 + len(writer.stdout.read().split())
    spool = Spool(tmp_path / "spool.db", 1 << 24)
    found = texts(spool)
    assert len(found) in (written, written + 1)
    assert found == [str(k) for k in range(len(found))]
    spool.close()


@pytest.mark.parametrize("seed", range(20))
def test_a_power_failure_loses_only_unsynced_messages(tmp_path, seed):
    """Simulates the disk after a power failure: the log is complete as far as synced; the rest is cut or corrupted."""
    rng = random.Random(seed)
    spool = Spool(tmp_path / "spool.db", MIB)
    for k in range(200):
        spool.append("vitals", b"%d" % k)
    spool.sync()
    log = tmp_path / "spool.db-wal"
    synced = log.stat().st_size
    for k in range(200, 260):
        spool.append("vitals", b"%d" % k)
    cut = tmp_path / "cut"
    cut.mkdir()
    shutil.copy(tmp_path / "spool.db", cut)
    written = log.read_bytes()
    torn = bytearray(written[: rng.randint(synced, len(written))])
    if len(torn) > synced and seed % 2:
        torn[rng.randrange(synced, len(torn))] ^= 0xFF  # pages reach the disk in any order
    (cut / "spool.db-wal").write_bytes(torn)
    spool.close()
    after = Spool(cut / "spool.db", MIB)
    found = texts(after)
    assert found == [str(k) for k in range(len(found))]
    assert 200 <= len(found) <= 260
    assert after.append("vitals", b"next") == len(found) + 1
    after.close()


@pytest.mark.parametrize("damage", [b"this is no database, but long enough to be taken for one" * 99, None])
def test_a_damaged_file_is_renamed_and_replaced(tmp_path, caplog, damage):
    path = tmp_path / "spool.db"
    if damage is None:  # one page in the middle
        spool = Spool(path, MIB)
        for _ in range(300):
            spool.append("ecg", b"x" * 1000)
        spool.close()
        content = path.read_bytes()
        damage = content[:40960] + bytes(range(256)) * 16 + content[45056:]
    path.write_bytes(damage)
    spool = Spool(path, MIB)
    assert spool.append("vitals", b"1")
    assert texts(spool) == ["1"]
    assert "renamed to" in caplog.text
    assert (tmp_path / "spool.db.damaged").read_bytes() == damage
    spool.close()


FULL_DISK = """
import resource, sys
from pathlib import Path
from edge.mqtt.spool import Spool
def limit(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
if sys.argv[2] == "from the start":
    limit(1000)
spool = Spool(Path(sys.argv[1]), 1 << 24)
kept = [spool.append("vitals", b"before") for _ in range(10)]
limit(1000)
refused = [spool.append("vitals", b"during" * 500) for _ in range(10)]
assert spool.delete(kept[:1]) is False or kept[0] is None
spool.sync()
assert spool.count().unstored == 10 + kept.count(None), spool.count()
limit(resource.RLIM_INFINITY)
spool.sync()
assert spool.append("vitals", b"after")
assert refused == [None] * 10
print([message.payload.decode() for message in spool.oldest(0, 99)])
spool.close()
"""


@pytest.mark.parametrize("since", ["later", "from the start"])
def test_write_errors_are_logged_counted_and_retried(tmp_path, since):
    """The operating system refuses writes; run in a separate process, since the limit applies to all its files."""
    path = str(tmp_path / "spool.db")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path, since], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(["before"] * (10 if since == "later" else 0) + ["after"])
    assert done.stderr.count("cannot write to the spool") == 1
    assert "messages could not be stored" in done.stderr


def test_an_impossible_path_is_an_error(tmp_path):
    with pytest.raises(SpoolError, match="cannot open the spool"):
        Spool(tmp_path / "nowhere" / "spool.db", MIB)


def test_two_processes_do_not_share_one(spool, tmp_path):
    with pytest.raises(SpoolError, match="another process"):
        Spool(tmp_path / "spool.db", MIB)


def test_only_the_user_can_read_it(spool, tmp_path):
    spool.append("vitals", b"x")
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_device_whose_spool_cannot_be_written_continues_with_a_temporary_one(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    config = SpoolConfig(file="file/spool.db")  # as on a read-only file system; root may write to any folder
    with pytest.raises(SpoolError, match="cannot open the spool"):
        open_spool(config, tmp_path / "radarecg.toml")
    spool = open_device_spool(config, tmp_path / "radarecg.toml")
    assert "are lost at the next restart" in caplog.text
    assert not spool.is_persistent
    assert spool.append("vitals", b"1") == 1
    assert texts(spool) == ["1"]
    spool.close()


def test_a_device_does_not_share_a_spool_either(spool, tmp_path):
    assert spool.is_persistent
    with pytest.raises(SpoolError, match="another process"):
        open_device_spool(SpoolConfig(file="spool.db"), tmp_path / "radarecg.toml")
