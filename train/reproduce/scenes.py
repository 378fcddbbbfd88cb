"""The paper's Table II: every strategy on indoor scenes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.core.errors import InputError
from train.reproduce.paper_values import TABLE_II
from train.scenes.table import compare_strategies
from train.scenes.training import load_scene_config, prepare_scenes

PRESETS = Path(__file__).parents[1] / "scenes" / "presets"


def table_two(preset: str, seeds: int, out: Path) -> Iterator[str]:
    """Yield the table. Raises InputError, OSError."""
    path = Path(preset) if preset.endswith(".toml") else PRESETS / f"{preset}.toml"
    if not path.exists():
        known = ", ".join(sorted(each.stem for each in PRESETS.glob("*.toml")))
        raise InputError(f"no scenes {preset!r}; there are {known}, or name a settings file, x.toml")
    config = load_scene_config(path)
    data = prepare_scenes(config, path.parent)
    printed = {name: (*values, change) for name, (values, change) in TABLE_II.items()}
    text = compare_strategies(config, data, path.parent, list(TABLE_II), seeds, out, printed)
    yield f"The paper's values are in brackets; they are of NYUv2.\n\n{text}"
