"""A publisher that records its messages."""

import pytest

from tests.helpers.publishing import Sent


@pytest.fixture
def sent(mmecg, monkeypatch):
    return Sent(mmecg, monkeypatch)
