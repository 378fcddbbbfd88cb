"""Tests networks and training of scenes, and the command with its table."""

import json

import msgspec
import pytest
import torch

from train.scenes import __main__ as command
from train.scenes.measures import TASKS
from train.scenes.network import resnet50, small
from train.scenes.table import COLUMNS, ROWS, format_table
from train.scenes.training import RoomCounts, SceneConfig, SceneTrainer, load_scene_config, prepare_scenes
from train.training.config import Strategy, Training

ROOMS = RoomCounts(train=8, validation=4)
CONFIG = SceneConfig(
    training=Training(2, 3, batch=4, learning_rate=3e-3, clip_norm=0), rooms=ROOMS, strategy=Strategy("ew")
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepare_scenes(CONFIG, tmp_path_factory.mktemp("none"))


def test_the_papers_network_has_71_9_million_parameters():
    """ResNet-50 without its classifier: 23 508 032. A head: 16 125 440, and 257 for each output per pixel."""
    network = resnet50()
    assert sum(p.numel() for p in network.encoder.parameters()) == 23_508_032
    for task, outputs in {"segmentation": 13, "depth": 1, "normal": 3}.items():
        assert sum(p.numel() for p in network.decoders[task].parameters()) == 16_125_440 + 257 * outputs
    assert sum(p.numel() for p in network.parameters()) == 71_888_721


def test_every_pixel_has_outputs_and_the_last_stages_are_dilated():
    network = resnet50().eval()
    with torch.no_grad():
        features = network.encoder(torch.zeros(1, 3, 64, 96))
        assert features.shape == (1, 2048, 8, 12)
        assert network.decoders["normal"](features).shape == (1, 3, 64, 96)
        assert small().eval().decoders["depth"](small().encoder(torch.zeros(2, 3, 48, 64))).shape == (2, 1, 48, 64)
    dilations = [block.conv2.dilation[0] for block in (*network.encoder.layer3, *network.encoder.layer4)]
    assert dilations == [1, 2, 2, 2, 2, 2, 2, 4, 4]


def test_imagenet_weights_are_loaded_by_torchvisions_names(tmp_path, capsys):
    torch.manual_seed(3)
    other = resnet50().encoder
    torch.save(
        {**other.state_dict(), "fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}, tmp_path / "w.pth"
    )
    encoder = resnet50().encoder
    encoder.load_imagenet(tmp_path / "w.pth")
    assert torch.equal(encoder.layer4[2].conv3.weight, other.layer4[2].conv3.weight)
    assert "layer1.0.downsample.0.weight" in encoder.state_dict()
    (tmp_path / "w.pth").write_bytes(b"cut off")
    settings = tmp_path / "x.toml"
    training = "[rooms]\ntrain = 2\nvalidation = 1\n[training]\nepochs = 1\nsteps = 1\n"
    settings.write_text(f'network = "resnet50"\nimagenet = "w.pth"\n{training}')
    assert command.main(["--preset", str(settings), "--strategies", "ew", "--out", str(tmp_path / "run")]) == 2
    assert "w.pth: not the weights of torchvision's ResNet-50" in capsys.readouterr().err


def test_training_reduces_every_loss(data, tmp_path):
    config = msgspec.structs.replace(
        CONFIG, training=Training(4, 6, batch=4, learning_rate=3e-3, clip_norm=0), augment=False
    )
    trainer = SceneTrainer(config, data, tmp_path, tmp_path)
    trainer.train()
    for task in TASKS:
        assert trainer.history[-1][f"train_{task}"] < trainer.history[0][f"train_{task}"], task


def test_gradients_are_clipped_only_if_the_settings_say_so(data, tmp_path):
    norms = []
    for limit in (0, 0.01):
        config = msgspec.structs.replace(CONFIG, training=Training(1, 1, batch=2, clip_norm=limit))
        trainer = SceneTrainer(config, data, tmp_path / str(limit), tmp_path)
        trainer.train()
        norms.append(float(torch.stack([p.grad.norm() for p in trainer.network.parameters()]).norm()))
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("strategy", [pytest.param("ega", marks=pytest.mark.slow), "uw"])
def test_a_resumed_run_gives_the_same_result(strategy, data, tmp_path):
    config = msgspec.structs.replace(CONFIG, strategy=Strategy(strategy))
    whole = SceneTrainer(config, data, tmp_path / "whole", tmp_path)
    whole.train()

    class Stopped(SceneTrainer):
        def _save_checkpoints(self):
            super()._save_checkpoints()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stopped(config, data, tmp_path / "stopped", tmp_path).train()
    later = SceneTrainer(config, data, tmp_path / "stopped", tmp_path)
    assert len(later.history) == 1
    later.train()
    assert later.history == whole.history
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, later.network.state_dict()[name]), name


@pytest.mark.slow  # a minute each on two cores
@pytest.mark.parametrize("strategy", ["ew", "ega"])
def test_rooms_are_understood_with_equal_weights_and_ega(strategy, tmp_path):
    config = msgspec.structs.replace(load_scene_config(command.PRESETS / "rooms.toml"), strategy=Strategy(strategy))
    trainer = SceneTrainer(config, prepare_scenes(config, tmp_path), tmp_path / "run", tmp_path)
    trainer.train()
    assert trainer.history[-1]["miou"] > 0.45


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text("[rooms]\ntrain = 4\nvalidation = 2\n[training]\nepochs = 1\nsteps = 2\nbatch = 2\n")
    return path


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_command_writes_a_table_and_resumes_it(settings, tmp_path, capsys, processes):
    out = tmp_path / "run"
    arguments = ["--preset", str(settings), "--strategies", "stl", "ew", "ega-1", "--out", str(out)]
    arguments += ["--processes", str(processes)]
    assert command.main(arguments) == 0
    printed = capsys.readouterr().out
    table = (out / "table.md").read_text()
    assert table.strip() in printed
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == ["| stl", "| ew", "| ega-1"]
    assert not list(out.glob("*/"))  # checkpoints of finished rows are deleted
    (out / "ew-seed1.json").unlink()
    before = (out / "stl-seed1.json").stat().st_mtime_ns
    assert command.main(arguments) == 0
    assert (out / "table.md").read_text() == table
    assert (out / "stl-seed1.json").stat().st_mtime_ns == before
    settings.write_text(settings.read_text().replace("steps = 2", "steps = 3"))
    assert command.main(arguments) == 2
    assert "another settings; name another folder with --out" in capsys.readouterr().err


def test_the_baselines_measures_are_those_of_each_tasks_own_network(settings, tmp_path, monkeypatch):
    def train(self):
        number = self.settings.strategy.parameters["task"]
        self.history = [{name: float(number) for names in TASKS.values() for name in names}]

    monkeypatch.setattr(SceneTrainer, "train", train)
    assert command.main(["--preset", str(settings), "--strategies", "stl", "--out", str(tmp_path / "run")]) == 0
    figures = json.loads((tmp_path / "run" / "stl-seed1.json").read_text())
    assert figures == {name: float(k) for k, names in enumerate(TASKS.values()) for name in names}
    assert (tmp_path / "run" / "table.md").read_text().strip().endswith("| -- |")  # relative to a baseline of 0


def test_the_table_has_all_measures_and_rows_of_table_two():
    assert list(COLUMNS) == [name for names in TASKS.values() for name in names]
    assert len(ROWS) == 15
    only = format_table({"ew": [dict.fromkeys(COLUMNS, 0.5), dict.fromkeys(COLUMNS, 0.7)]})
    assert only.splitlines()[-1].startswith("| ew | 60.00 ± 14.14 |")
    assert only.endswith("| -- |")  # without the baseline
    both = format_table({"stl": [dict.fromkeys(COLUMNS, 0.5)], "ew": [dict.fromkeys(COLUMNS, 0.6)]}).splitlines()
    assert both[-2].endswith("| 0.00 |")
    # +20 % of segmentation, -20 % of depth, and of five measures of normals three rise and two fall: 4 %.
    assert both[-1].endswith("| 1.33 |")


@pytest.mark.parametrize(("change", "message"), [
    ("epoch = 3\n", "tiny.toml: .*epoch"),
    ('[strategy]\nname = "ew"\n[other]\n', "tiny.toml: .*other"),
])  # fmt: skip
def test_unknown_settings_are_an_error(settings, change, message, tmp_path, capsys):
    settings.write_text(settings.read_text() + change)
    assert command.main(["--preset", str(settings), "--out", str(tmp_path / "run")]) == 2
    with pytest.raises(ValueError, match=message):
        raise ValueError(capsys.readouterr().err)


def test_presets_are_valid_and_an_unknown_one_is_named(tmp_path, capsys):
    for path in command.PRESETS.glob("*.toml"):
        load_scene_config(path)
    assert command.main(["--preset", "room", "--out", str(tmp_path)]) == 2
    assert "no preset 'room'; there are nyuv2, rooms" in capsys.readouterr().err
