"""Access control of the page and of the metrics."""

import http.client
import random
from contextlib import closing, contextmanager

import pytest

from edge.web.access import MIN_TOKEN_CHARS, AccessError, read_token
from tests.helpers.disk import write_private
from tests.helpers.web import get, live_page, vitals

TOKEN = "a-token-nobody-could-guess"


@pytest.fixture
def page():
    with live_page() as page:
        yield page


@pytest.fixture
def guarded():
    with live_page(TOKEN) as page:
        yield page


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "radar.example"])
def test_a_network_is_not_served_without_a_token(host):
    with pytest.raises(AccessError, match="token_file"), live_page(host=host):
        pass


def test_a_foreign_host_name_is_refused(page):
    for host in ("localhost", f"127.0.0.1:{page.port}", f"[::1]:{page.port}"):
        assert get(page.port, "/", Host=host)[0] == 200
    for host in ("evil.example", "127.0.0.1.evil.example", ""):
        assert get(page.port, "/", Host=host)[0] == 401


def test_the_token_opens_the_page_once_and_a_cookie_afterwards(guarded):
    for path in ("/", "/events", "/metrics", "/page.js", "/?token=wrong", "/?token="):
        assert get(guarded.port, path)[0] == 401, path
    status, headers, _ = get(guarded.port, f"/?token={TOKEN}")
    assert (status, headers["Location"]) == (303, "/")
    assert "HttpOnly" in headers["Set-Cookie"]
    assert TOKEN not in headers["Set-Cookie"]
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert get(guarded.port, "/", Cookie=cookie)[0] == 200
    assert get(guarded.port, "/", Cookie=f"other=1; {cookie}")[0] == 200
    assert get(guarded.port, "/", Cookie="radarecg=" + "0" * 64)[0] == 401
    assert get(guarded.port, "/", Cookie="radarecg=\x80; bad cookie")[0] == 401


def test_programs_send_the_token_in_a_header(guarded):
    assert get(guarded.port, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    for header in (f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", TOKEN):
        assert get(guarded.port, "/metrics", Authorization=header)[0] == 401


def test_unusable_token_files(tmp_path):
    path = tmp_path / "token"
    for content, reason in ((None, "cannot read"), (b"", "cannot read"), (b"short\n", "shorter"), (b"\xff", "cannot")):
        if content is not None:
            write_private(path, content)
        with pytest.raises(AccessError, match=reason):
            read_token(path)
    write_private(path, f"  {TOKEN} \nmore\n")
    assert read_token(path) == TOKEN
    path.chmod(0o644)
    with pytest.raises(AccessError, match="every user of this computer can read"):
        read_token(path)


@pytest.mark.parametrize("token", ["a" * 16, "ab" * 20, "1234567890123456", "abcdefghijklmnopqrstuvwxyz", "0" * 64])
def test_a_token_that_can_be_guessed_is_refused(tmp_path, token):
    write_private(tmp_path / "token", token)
    with pytest.raises(AccessError, match=r"can be guessed: python3 .* makes a good one"):
        read_token(tmp_path / "token")


def test_random_tokens_are_accepted(tmp_path):
    draw = random.Random(1)
    for _ in range(200):
        token = "".join(draw.choice("0123456789abcdef") for _ in range(MIN_TOKEN_CHARS))
        write_private(tmp_path / "token", token)
        assert read_token(tmp_path / "token") == token


def test_the_health_check_needs_no_token(guarded):
    status, _, text = get(guarded.port, "/healthz")
    assert status == 503
    assert "no radar frame" in text
    guarded.vitals(vitals())
    assert get(guarded.port, "/healthz")[::2] == (200, "ok\n")


@pytest.mark.parametrize("path", ["/", "/page.js", "/metrics", "/healthz", "/events", "/none", f"/?token={TOKEN}"])
@pytest.mark.parametrize("shown", [{}, {"Authorization": f"Bearer {TOKEN}"}], ids=["nobody", "known"])
def test_head_equals_get_without_content(guarded, path, shown):
    guarded.vitals(vitals())
    with answer(guarded.port, "GET", path, shown) as got, answer(guarded.port, "HEAD", path, shown) as head:
        assert head.status == got.status
        assert head.headers.keys() == got.headers.keys()
        for name in ("Content-Type", "Set-Cookie", "X-Accel-Buffering"):
            assert head.getheader(name) == got.getheader(name)
        assert head.read() == b""


def test_proxy_buffering_is_disabled_for_events(page):
    with answer(page.port, "HEAD", "/events", {}) as head:
        assert head.getheader("X-Accel-Buffering") == "no"


@contextmanager
def answer(port: int, method: str, path: str, headers: dict[str, str]):
    """Yields the response to a request, with only its headers read."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, headers=headers)
        with connection.getresponse() as response:
            yield response
