"""Budget and damaged inputs of the fuzz targets: valid samples with edits that are known to trouble parsers."""

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from edge.core.errors import InputError

_Result = TypeVar("_Result")

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
"""Inputs per target; FUZZ_EXAMPLES=100000 searches for hours."""

budget = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)

_AWKWARD = [
    b"",
    b"\x00",
    b"\n",
    b"\r\n\r\n",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # a surrogate
    b'"',
    b"}",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 5000,  # Python refuses to convert so many digits
    b"[" * 20_000,  # deeper than any recursion limit
    b'{"a":' * 5000,
    b"a.b=" * 500,
    b"<a>" * 5000,
    b"../../x",
    b"%00",
]


@st.composite
def damaged(draw, *samples: bytes) -> bytes:
    """One of the samples with up to six edits: bytes replaced, inserted, removed or repeated, or cut off."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 6))):
        at, length = draw(st.integers(0, len(data))), draw(st.sampled_from([0, 0, 1, 2, 8, 64]))
        repeated = st.just(bytes(data[at : at + length]) * 2)
        piece = draw(st.one_of(st.sampled_from(_AWKWARD), st.binary(max_size=8), repeated))
        data[at : at + length] = piece
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


def outcome(act: Callable[[], _Result]) -> _Result | str:
    """The result, or the message of an error that is shown to the user; every other exception passes."""
    try:
        return act()
    except (InputError, FileNotFoundError) as error:
        return str(error)
