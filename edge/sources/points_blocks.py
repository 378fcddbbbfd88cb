"""Blocks of RCG as bytes, for recordings of points (`edge.sources.points`).

The bytes of a block: a row for each channel (CHANNEL), displacement and RCG as int16 [channel, sample], covered as
uint8 [sample], and the positions of the channels as float32 [channel, 3] where they may have changed. Each channel of
each block has 16 bits for the range of its values. Everything else is in the block's row (BLOCK_ROW).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.core.types import Chest, Float64, RcgBlock

BLOCK_ROW = np.dtype(
    [
        ("frame", "<u8"),
        ("offset", "<u8"),
        ("channels", "<u2"),
        ("samples", "<u2"),
        ("speed_mm_s", "<f8"),
        ("range_m", "<f8"),
        ("contrast_db", "<f8"),
        ("present", "u1"),
        ("restarted", "u1"),
        ("has_points", "u1"),
    ]
)
"""`frame` is the row of the frame that completed the block; `offset`, the place of its bytes."""
CHANNEL = np.dtype([("origin_mm", "<f4"), ("displacement_bit", "i1"), ("rcg_bit", "i1"), ("weight", "<f4")])
"""`..._bit` is the exponent of two of the last bit; a displacement counts from `origin_mm`."""
_SAMPLE_BYTES = 2 + 2  # displacement and RCG
_POINT_BYTES = 3 * 4


def encode_block(block: RcgBlock, frame: int, offset: int) -> tuple[bytes, bytes]:
    """Return the bytes of a block and its row."""
    has_points = block.restarted and block.points_m is not None
    origin_mm = block.displacement_mm.mean(axis=1).astype(np.float32)
    channels = np.zeros(len(origin_mm), CHANNEL)
    displacement, channels["displacement_bit"] = _quantise(block.displacement_mm - origin_mm[:, None])
    rcg, channels["rcg_bit"] = _quantise(block.rcg_mm_s2)
    channels["origin_mm"], channels["weight"] = origin_mm, block.weights
    parts = [channels, displacement, rcg, block.covered.astype(np.uint8)]
    if has_points and block.points_m is not None:
        parts.append(block.points_m.astype("<f4"))
    chest = block.chest
    about = (block.speed_mm_s, chest.range_m, chest.contrast_db, chest.present, block.restarted, has_points)
    row = np.array((frame, offset, *block.displacement_mm.shape, *about), BLOCK_ROW)
    return b"".join(part.tobytes() for part in parts), row.tobytes()


def sizes(rows: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """Return the number of bytes of each block."""
    channels, samples = rows["channels"].astype(np.int64), rows["samples"].astype(np.int64)
    per_channel = CHANNEL.itemsize + _SAMPLE_BYTES * samples + _POINT_BYTES * (rows["has_points"] != 0)
    return np.asarray(channels * per_channel + samples)


def decode_block(content: bytes, row: np.void, t_ns: int, points_m: Float64 | None) -> RcgBlock:
    """Return the block of `encode_block`; `points_m` are the positions of the previous one."""
    shape = int(row["channels"]), int(row["samples"])
    channels = np.frombuffer(content, CHANNEL, shape[0])
    at = channels.nbytes
    values = np.frombuffer(content, "<i2", 2 * shape[0] * shape[1], at).astype(np.float64).reshape(2, *shape)
    at += _SAMPLE_BYTES * shape[0] * shape[1]
    if row["has_points"]:
        points_m = np.frombuffer(content, "<f4", offset=at + shape[1]).astype(np.float64).reshape(-1, 3)
    bits = [channels[name].astype(int)[:, None] for name in ("displacement_bit", "rcg_bit")]
    return RcgBlock(
        t_ns=t_ns,
        displacement_mm=channels["origin_mm"].astype(np.float64)[:, None] + np.ldexp(values[0], bits[0]),
        rcg_mm_s2=np.ldexp(values[1], bits[1]),
        weights=channels["weight"].astype(np.float64),
        covered=np.frombuffer(content, np.uint8, shape[1], at).astype(bool),
        speed_mm_s=float(row["speed_mm_s"]),
        chest=Chest(float(row["range_m"]), float(row["contrast_db"]), bool(row["present"])),
        restarted=bool(row["restarted"]),
        points_m=points_m,
    )


def _quantise(values: Float64) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int8]]:
    """Return values [P, n] in units of the last bit, and the exponent of that bit [P]."""
    bit = np.clip(np.frexp(np.abs(values).max(axis=1))[1] - 15, -127, 127)
    return np.clip(np.rint(np.ldexp(values, -bit[:, None])), -32768, 32767).astype("<i2"), bit.astype(np.int8)
