"""Splits subjects into training, validation and test parts, so that no subject is in two parts.

A fold depends only on the seed and the subjects' names, not on their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated

import msgspec

from edge.core.errors import InputError

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class SplitError(InputError):
    """Too few subjects for the split."""


@dataclass(frozen=True)
class Fold:
    """Subjects for training, for validation (selection of epoch and settings) and for test."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


class Holdout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="holdout"):
    """One fold; `validation` and `test` are fractions of the subjects, at least one each; the rest are for training."""

    seed: int = 1
    validation: Share = 0.1
    test: Share = 0.1


class KFold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="k-fold"):
    """Every subject is in the test part of one fold and in the validation part of the fold before it."""

    seed: int = 1
    folds: Annotated[int, msgspec.Meta(ge=3)] = 5


class LeaveSubjectOut(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="leave-subject-out"
):
    """One fold per subject: one test subject and one validation subject in each."""

    seed: int = 1


Split = Holdout | KFold | LeaveSubjectOut


def split_subjects(subjects: Iterable[str], split: Split) -> list[Fold]:
    """Return the folds of these subjects; names may be repeated. Raises SplitError for too few subjects."""
    order = sorted(set(subjects), key=lambda name: blake2b(f"{split.seed}:{name}".encode()).digest())
    needed = split.folds if isinstance(split, KFold) else 3
    if len(order) < needed:
        raise SplitError(
            f"{len(order)} subjects ({', '.join(order)}) for a split that needs {needed}, one for each part"
        )
    if isinstance(split, Holdout):
        test = max(1, round(split.test * len(order)))
        validation = max(1, round(split.validation * len(order)))
        if test + validation >= len(order):
            raise SplitError(
                f"{len(order)} subjects, {test} for test, {validation} for validation: none is left to train"
            )
        return [_fold(order, order[test : test + validation], order[:test])]
    count = split.folds if isinstance(split, KFold) else len(order)
    parts = [order[k::count] for k in range(count)]
    return [_fold(order, parts[(k + 1) % count], parts[k]) for k in range(count)]


def _fold(subjects: list[str], validation: list[str], test: list[str]) -> Fold:
    train = sorted(set(subjects) - {*validation, *test})
    return Fold(tuple(train), tuple(sorted(validation)), tuple(sorted(test)))
