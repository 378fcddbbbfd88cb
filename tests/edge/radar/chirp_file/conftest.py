"""Fixtures of the chirp files' tests."""

import pytest

from edge.radar.chirp_file.parser import load_chirp


@pytest.fixture
def load(tmp_path):
    """Load a chirp file with this content."""

    def load(content, for_replay=False):
        (tmp_path / "x.cfg").write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_chirp(tmp_path / "x.cfg", for_replay)

    return load
