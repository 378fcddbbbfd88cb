"""Tests the readers: round trips of formats, timing, real sets and damaged files."""

import shutil

import h5py
import numpy as np
import pytest
from scipy import io

from edge.core.spec import RCG_RATE_HZ
from train.data.readers import mmecg
from train.data.readers.files import read_mat
from train.data.readers.motion import acceleration, resampled
from train.data.readers.table import READERS
from train.data.trial import Trial, TrialError

RNG = np.random.default_rng(1)


def trial(name: str = "7", points: int = 50, n: int = 400, **more) -> Trial:
    noise = RNG.standard_normal((points + 1, n)).astype(np.float32)
    return Trial(name, "03", noise[:-1], noise[-1], **more)


def full(name: str = "7") -> Trial:
    return trial(
        name,
        r_peaks_s=np.array([0.2, 1.1]),
        points_m=RNG.standard_normal((50, 3)),
        moving=RNG.random(400) > 0.5,
        status="PE",
        rhythm="ectopic",
    )


def assert_same(a: Trial, b: Trial) -> None:
    for name, value in vars(a).items():
        np.testing.assert_array_equal(value, getattr(b, name), err_msg=name)


def write_hdf5(path, variables: dict, struct: str | None = None) -> None:
    """As MATLAB writes v7.3: a 512-byte head, columns first, text as numbers."""
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group(struct) if struct else file
        for name, value in variables.items():
            if isinstance(value, str):
                item = group.create_dataset(name, data=np.array([[ord(c)] for c in value], np.uint16))
                item.attrs["MATLAB_class"] = np.bytes_("char")
            else:
                group.create_dataset(name, data=np.asarray(value).T).attrs["MATLAB_class"] = np.bytes_("double")


@pytest.mark.parametrize("wanted", [trial(), full()], ids=["least", "full"])
def test_mmecg_there_and_back(tmp_path, wanted):
    mmecg.write(wanted, tmp_path / "7.mat")
    (found,) = mmecg.read(tmp_path)
    assert_same(found, wanted)
    assert found.rcg.dtype == np.float32


@pytest.mark.parametrize("struct", [None, "data"])
def test_mmecg_as_matlab_writes_it(tmp_path, struct):
    wanted = full()
    fields = {
        "RCG": wanted.rcg.T.astype(float),
        "ECG": wanted.ecg[:, None].astype(float),
        "posXYZ": wanted.points_m,
        "id": np.array([[1234567.0]]),
        "age": np.array([[44.0]]),
        "gender": "male",
        "physistatus": "PE",
    }
    io.savemat(tmp_path / "10.mat", {struct: fields} if struct else fields)
    write_hdf5(tmp_path / "9.mat", fields, struct)
    first, second = mmecg.read(tmp_path)
    assert (first.name, second.name) == ("9", "10")
    for found in (first, second):
        assert (found.subject, found.status, found.rhythm, found.moving) == ("1234567", "PE", None, None)
        np.testing.assert_array_equal(found.rcg, wanted.rcg)
        np.testing.assert_array_equal(found.ecg, wanted.ecg)
        np.testing.assert_array_equal(found.points_m, wanted.points_m)


def test_mmecg_has_no_place_for_a_trial_without_an_ecg(tmp_path):
    with pytest.raises(TrialError, match="no ECG"):
        mmecg.write(Trial("a", "b", np.ones((1, 9), np.float32), r_peaks_s=np.zeros(1)), tmp_path / "a.mat")


@pytest.mark.parametrize("rate_hz", [20, 36, 80, 200, 333])
def test_another_rate_does_not_shift_time(rate_hz):
    turn = 2 * np.pi * 3
    wave = np.sin(turn * np.arange(8 * rate_hz) / rate_hz)[None]
    t_s = np.arange(200, 1200) / RCG_RATE_HZ
    for found, sign in ((resampled(wave, rate_hz), 1), (acceleration(wave, rate_hz), -1)):
        late_s = np.angle(np.sum(1j * sign * found[0, 200:1200] * np.exp(-1j * turn * t_s))) / turn
        assert abs(late_s) < 2e-4


def good_files(folder, reader: str) -> None:
    """The smallest set of each kind."""
    wave = np.sin(np.arange(1000.0))
    if reader == "mmecg":
        mmecg.write(full("1"), folder / "1.mat")
    elif reader == "ustc_af":
        io.savemat(folder / "A_1_1.mat", {"Radar_data": np.tile(wave, (3, 3, 1)).T, "ECG_data": wave[:, None]})
        (folder / "labels.csv").write_text("subject_id,AF\nA_1_1,1\n")
    elif reader == "phase80":
        for side in ("radar", "ecg"):
            (folder / side).mkdir()
            np.save(folder / side / "1_a_1.npy", wave)
    elif reader == "bgt60":
        np.savez(folder / "1.npz", z_tau=np.exp(1j * wave))
        (folder / "1.r_peaks.csv").write_text("t_s,voltage\n0.5,1\n1.5,1\n")


def array_file(reader: str) -> str:
    return {"mmecg": "1.mat", "ustc_af": "A_1_1.mat", "phase80": "radar/1_a_1.npy", "bgt60": "1.npz"}[reader]


FILES = [name for name in READERS if name not in ("own", "mscardio", "mscardio_test")]  # those have their own tests


@pytest.mark.parametrize("reader", FILES)
def test_damaged_files_are_named(tmp_path, reader):
    good_files(tmp_path, reader)
    assert len(list(READERS[reader](tmp_path))) == 1
    path = tmp_path / array_file(reader)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:100], b"", b"no such format" * 99):
        path.write_bytes(damaged)
        with pytest.raises(TrialError, match=path.name):
            list(READERS[reader](tmp_path))


@pytest.mark.parametrize("reader", READERS)
def test_an_empty_and_a_missing_folder_are_named(tmp_path, reader):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(TrialError, match=str(folder)):
            list(READERS[reader](folder))


@pytest.mark.parametrize(
    ("reader", "name", "change", "message"),
    [
        ("mmecg", "1.mat", {"RCG": None}, "RCG is missing; the file holds"),
        ("mmecg", "1.mat", {"id": None}, "whose trial"),
        ("mmecg", "1.mat", {"id": np.nan}, "whose trial"),
        ("mmecg", "1.mat", {"RCG": np.ones((50, 400))}, "ECG is"),
        ("mmecg", "1.mat", {"RCG": "text"}, "RCG is <U4"),
        ("mmecg", "1.mat", {"posXYZ": np.ones((50, 2))}, "posXYZ is"),
        ("mmecg", "1.mat", {"physistatus": "XX"}, "physistatus is 'XX'"),
        ("mmecg", "1.mat", {"ECG": np.full((400, 1), np.nan)}, "ECG is not finite"),
        ("ustc_af", "A_1_1.mat", {"ECG_data": None}, "ECG_data is missing"),
        ("ustc_af", "A_1_1.mat", {"Radar_data": np.ones((9, 1000))}, "1000 x 3 x 3"),
        ("ustc_af", "A_1_1.mat", {"Radar_data": np.full((1000, 3, 3), np.nan)}, "RCG is not finite"),
    ],
)
def test_mat_files_with_other_content_are_refused(tmp_path, reader, name, change, message):
    good_files(tmp_path, reader)
    fields = {key: value for key, value in io.loadmat(tmp_path / name).items() if not key.startswith("__")}
    fields = {key: value for key, value in (fields | change).items() if value is not None}
    io.savemat(tmp_path / name, fields)
    with pytest.raises(TrialError, match=message):
        list(READERS[reader](tmp_path))


@pytest.mark.parametrize(
    ("reader", "name", "content", "message"),
    [
        ("phase80", "ecg/1_a_1.npy", np.ones(900), "not two signals"),
        ("phase80", "radar/1_a_1.npy", np.full(1000, np.nan), "not finite"),
        ("bgt60", "1.r_peaks.csv", "t_s,voltage\n", "not a table|columns"),
        ("bgt60", "1.r_peaks.csv", "time\n1\n", "columns t_s"),
        ("bgt60", "1.r_peaks.csv", "t_s\n1\nx\n", "csv:3: t_s is 'x', not a number"),
        ("bgt60", "1.r_peaks.csv", "t_s\n2\n1\n", "does not rise"),
        ("ustc_af", "labels.csv", "who,AF\n", "A_1_1|subject_id"),
        ("ustc_af", "labels.csv", "subject_id,AF\nA_1_1,perhaps\n", "0 or 1"),
        ("ustc_af", "labels.csv", "subject_id,AF\n", "does not say whether A_1_1"),
    ],
)
def test_other_content_is_refused(tmp_path, reader, name, content, message):
    good_files(tmp_path, reader)
    if isinstance(content, str):
        (tmp_path / name).write_text(content)
    else:
        np.save(tmp_path / name, content)
    with pytest.raises(TrialError, match=message):
        list(READERS[reader](tmp_path))


def test_a_phase_that_never_moves_is_left_out_and_named(tmp_path, caplog):
    good_files(tmp_path, "phase80")
    for side in ("radar", "ecg"):
        shutil.copy(tmp_path / side / "1_a_1.npy", tmp_path / side / "2_b_2.npy")
    np.save(tmp_path / "radar" / "2_b_2.npy", np.zeros(1000))
    assert [trial.subject for trial in READERS["phase80"](tmp_path)] == ["a"]
    assert "2_b_2.npy: left out" in caplog.text


@pytest.mark.parametrize(
    ("name", "trials", "subjects", "points", "seconds"),
    [("ustc_af", 36, 12, 9, 10), ("phase80", 30, 3, 1, 57.6), ("bgt60", 23, 1, 1, 60)],
)
def test_real_sets(real_data, name, trials, subjects, points, seconds):
    found = list(READERS[name](real_data / name))
    assert len(found) == trials
    assert len({trial.name for trial in found}) == trials
    assert len({trial.subject for trial in found}) == subjects
    for trial_ in found:
        assert trial_.rcg.shape[0] == points
        assert trial_.seconds == pytest.approx(seconds, abs=0.3)
    assert sum(trial_.rhythm == "af" for trial_ in found) == (6 if name == "ustc_af" else 0)


@pytest.mark.parametrize("where", ["external storage", "a virtual dataset", "an external link", "a soft link"])
def test_a_file_whose_data_are_in_another_file_is_not_read(tmp_path, where):
    (tmp_path / "secret").write_bytes(bytes(range(80)))
    path = tmp_path / "trial.mat"
    with h5py.File(path, "w") as file:
        file["bcg"] = np.zeros(10)
        if where == "external storage":
            file.create_dataset("x", (10,), "f8", external=[(str(tmp_path / "secret"), 0, 80)])
        elif where == "a virtual dataset":
            layout = h5py.VirtualLayout((10,), "f8")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (10,))
            file.create_virtual_dataset("x", layout)
        elif where == "an external link":
            file["x"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
        else:
            file["x"] = h5py.SoftLink("/bcg")
    with pytest.raises(TrialError, match="another file"):
        read_mat(path)
