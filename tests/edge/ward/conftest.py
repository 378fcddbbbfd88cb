"""A hub without devices, and its page in a real browser for modules that name `tests.helpers.browser`."""

import pytest

from tests.helpers.ward import Hub, served


@pytest.fixture
def hub(tmp_path):
    return Hub(tmp_path)


@pytest.fixture
def page(hub):
    with served(hub) as page:
        yield page


@pytest.fixture
def tab(hub, page, opened):
    tab = opened(page)
    tab.wait_for_function(f"() => document.querySelectorAll('.tile .rate:not(:empty)').length === {hub.count}")
    return tab
