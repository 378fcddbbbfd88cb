"""Interpretation of FHIR server responses over real HTTP and TLS; authentication of the bridge."""

import email.utils
import ssl
import time
from pathlib import Path

import pytest

from edge.core.errors import InputError
from edge.fhir.failures import MAX_RETRY_AFTER_S, RefusedError, UnavailableError
from edge.fhir.records import Record
from edge.fhir.server import FhirServer
from edge.fhir.settings import open_store
from edge.runtime.hub_config import load_hub_config
from tests.helpers.brokers import free_port
from tests.helpers.certificates import Authority
from tests.helpers.disk import write_private
from tests.helpers.fhir import FHIR, Answer, running_server
from tests.helpers.hub_messages import VALID, records_of

RECORD = records_of(VALID)[0]


def create(store: FhirServer, record: Record = RECORD) -> None:
    """Store one resource. Raises RefusedError, UnavailableError."""
    (outcome,) = store.store([record])
    if outcome is not None:
        raise outcome


def store_at(url: str, folder: Path, fhir: str = "", environ: dict[str, str] | None = None):
    """Returns the store of `fhir-bridge URL` with these lines under [fhir]."""
    path = folder / "hub.toml"
    path.write_text(f"[mqtt]\n[fhir]\n{fhir}\n")
    return open_store(url, load_hub_config(path, environ or {}).fhir, path)


def failure(folder: Path, answer: int | Answer) -> Exception:
    with running_server(answer) as server, pytest.raises((RefusedError, UnavailableError)) as caught:
        create(store_at(server.url, folder))
    return caught.value


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(tmp_path, status):
    """The GET of a followed redirect would be answered with 200, but nothing stored."""
    with running_server() as server:
        server.script([Answer(status, {"Location": server.url})])
        with pytest.raises(UnavailableError) as caught:
            create(store_at(server.url, tmp_path))
        assert [request.method for request in server.requests] == ["POST"]
        for words in (str(status), f"names {server.url}", "not followed", "give its URL"):
            assert words in str(caught.value)


@pytest.mark.parametrize("status", [400, 409, 412, 422])
def test_an_invalid_resource_is_refused(tmp_path, status):
    error = failure(tmp_path, Answer(status, FHIR, b'{"resourceType": "OperationOutcome"}'))
    assert isinstance(error, RefusedError)
    assert error.status.startswith(str(status))
    assert "OperationOutcome" in error.answer


@pytest.mark.parametrize(
    "status", [300, 304, 401, 402, 403, 404, 405, 406, 407, 408, 410, 411, 413, 414, 415, 418, 421, 425, 428, 429, 431]
)
def test_other_client_errors_are_retried(tmp_path, status):
    assert isinstance(failure(tmp_path, status), UnavailableError)


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 507, 511])
def test_server_errors_are_retried(tmp_path, status):
    assert str(status) in str(failure(tmp_path, status))


@pytest.mark.parametrize("answer", [202, 204, 206, 200])
def test_an_unconfirmed_creation_is_retried(tmp_path, answer):
    assert isinstance(failure(tmp_path, answer), UnavailableError)


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b'{"ok": true}'])
def test_a_response_of_another_kind_of_server_is_a_failure(tmp_path, status, body):
    assert "not as a FHIR server does" in str(failure(tmp_path, Answer(status, {}, body)))


@pytest.mark.parametrize(
    "answer",
    [
        201,
        Answer(201, FHIR, b'{"resourceType": "Observation"}'),
        Answer(201, {}, b'<Observation xmlns="http://hl7.org/fhir"/>'),
        Answer(200, FHIR, b'{"resourceType": "Observation"}'),  # it was there already
        Answer(200, {"Location": "Observation/1"}),
    ],
)
def test_responses_that_confirm_creation(tmp_path, answer):
    with running_server(answer) as server:
        create(store_at(server.url, tmp_path))
        assert [request.resource for request in server.requests] == [RECORD.resource]


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("soon", 0), ("-1", 0), ("", 0), ("99999999", MAX_RETRY_AFTER_S), ("1.5", 0)]
)
def test_retry_after_in_seconds(tmp_path, text, seconds):
    assert failure(tmp_path, Answer(429, {"Retry-After": text})).retry_after_s == seconds


def test_retry_after_as_a_date(tmp_path):
    later = email.utils.formatdate(time.time() + 600, usegmt=True)
    assert 0 < failure(tmp_path, Answer(503, {"Retry-After": later})).retry_after_s <= 600
    assert failure(tmp_path, Answer(503, {"Retry-After": email.utils.formatdate(0, usegmt=True)})).retry_after_s == 0


def test_no_server_and_no_http(tmp_path):
    with pytest.raises(UnavailableError, match="cannot reach"):
        create(store_at(f"http://127.0.0.1:{free_port()}/Observation", tmp_path))
    with running_server(tls=ssl_server(tmp_path)) as server, pytest.raises(UnavailableError):
        create(store_at(server.url.replace("https", "http"), tmp_path))


def test_a_token_file_is_read_for_each_request(tmp_path):
    token = tmp_path / "token"
    write_private(token, "first\n")
    with running_server() as server:
        store = store_at(server.url, tmp_path, 'token_file = "token"')
        create(store)
        token.write_bytes(b"\xef\xbb\xbfsecond\r\n")  # with a mark of its encoding, as some editors write it
        create(store)
        token.chmod(0o644)
        with pytest.raises(UnavailableError, match="every user of this computer can read"):
            create(store)
        token.unlink()
        with pytest.raises(UnavailableError, match="cannot read token"):
            create(store)
        given = [request.headers["Authorization"] for request in server.requests]
    assert given == ["Bearer first", "Bearer second"]


def test_a_token_from_the_environment(tmp_path):
    with running_server() as server:
        create(store_at(server.url, tmp_path, environ={"RADARECG_FHIR__TOKEN": "abc.def"}))
        assert server.requests[0].headers["Authorization"] == "Bearer abc.def"


def ssl_server(folder: Path, authority: Authority | None = None, is_mutual: bool = False) -> ssl.SSLContext:
    authority = authority or Authority(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(*authority.issue("server"))
    if is_mutual:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_an_own_authority_and_a_client_certificate(tmp_path):
    authority = Authority(tmp_path)
    authority.issue("hub")
    with running_server(tls=ssl_server(tmp_path, authority, is_mutual=True)) as server:
        create(store_at(server.url, tmp_path, 'ca = "ca.crt"\ncert = "hub.crt"\nkey = "hub.key"'))
        assert len(server.stored) == 1
        with pytest.raises(UnavailableError, match=r"not trusted.*\[fhir\] ca"):
            create(store_at(server.url, tmp_path, 'cert = "hub.crt"\nkey = "hub.key"'))
        with pytest.raises(UnavailableError):
            create(store_at(server.url, tmp_path, 'ca = "ca.crt"'))
        assert len(server.stored) == 1


@pytest.mark.parametrize(
    ("url", "fhir", "message"),
    [
        ("https://x/Observation", 'ca = "nowhere.crt"', "cannot use ca, cert and key"),
        ("https://x/Observation", 'cert = "hub.crt"\nkey = "open.key"', "every user of this computer can read"),
        ("https://x/Observation", 'cert = "hub.crt"', "cert and key must be set together"),
        ("http://x/Observation", 'ca = "ca.crt"', "begins with https"),
        ("http://x/Observation", 'token_file = "nowhere"', "cannot read nowhere"),
        ("http://x/Observation", 'token = "two words"', "without spaces"),
        ("http://x/Observation", 'token = "a"\ntoken_file = "b"', "not both"),
        ("http://fhir.example/Observation", 'token = "a"', r"unencrypted to fhir.example.*plain = true permits it"),
        ("http://fhir.example/Observation", "", r"unencrypted to fhir.example.*plain = true permits it"),
        ("http://x/Observation", "tokn = 1", "tokn"),
        ("http://", "", "not a URL"),
        ("http://x:port/Observation", "", "not a URL"),
        ("http://x y/Observation", "", "not a URL"),
        ("http://x/Observation?a=b", "", "not a URL"),
        ("https://me:secret@x/Observation", "", "must not contain a user name or password"),
        ("ftp://x/Observation", "", "begins with http"),
    ],
)
def test_invalid_settings_are_an_error(tmp_path, url, fhir, message):
    (tmp_path / "open.key").touch(mode=0o644)
    with pytest.raises(InputError, match=message) as caught:
        store_at(url, tmp_path, fhir)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "fhir"),
    [
        ("https://fhir.example/Observation", 'token = "a"'),
        ("http://fhir.example/Observation", 'token = "a"\nplain = true'),
        ("http://localhost/Observation", ""),
        ("http://[::1]:8080/fhir", 'token = "a"'),
    ],
)
def test_resources_may_be_sent_encrypted_or_within_this_computer_or_where_permitted(tmp_path, url, fhir):
    assert isinstance(store_at(url, tmp_path, fhir), FhirServer)
