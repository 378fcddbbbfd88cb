"""The paper's Table II: every strategy on indoor scenes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from train.data.workers import Workers
from train.reproduce.paper_values import TABLE_II
from train.scenes.table import compare_strategies
from train.scenes.training import PRESETS, load_scene_config, prepare_scenes
from train.training.command_line import find_preset


def table_two(preset: str, seeds: int, out: Path, workers: Workers) -> Iterator[str]:
    """Yield the table after each network. Raises InputError, OSError."""
    path = find_preset(preset, PRESETS)
    config = load_scene_config(path)
    data = prepare_scenes(config, path.parent)
    printed = {name: (*values, change) for name, (values, change) in TABLE_II.items()}
    for text in compare_strategies(config, data, path.parent, list(TABLE_II), seeds, out, workers, printed):
        yield f"The paper's values are in brackets; they are of NYUv2.\n\n{text}"
