"""Who is learnt from, who is chosen by, who is tested on: by subject, so nobody is on two sides.

A fold follows from the seed and the subjects' names alone, in whatever order they come.
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
    """Subjects to train on, to choose epoch and settings by, and to test on."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


class Holdout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="holdout"):
    """One fold; validation and test have these shares of the subjects, at least one each, and training the rest."""

    seed: int = 1
    validation: Share = 0.1
    test: Share = 0.1


class KFold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="k-fold"):
    """Every subject is tested on in one fold, and used for validation in the fold before it."""

    seed: int = 1
    folds: Annotated[int, msgspec.Meta(ge=3)] = 5


class LeaveSubjectOut(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="leave-subject-out"
):
    """As many folds as subjects: each is tested on by itself, and used for validation by itself."""

    seed: int = 1


Split = Holdout | KFold | LeaveSubjectOut


def split_subjects(subjects: Iterable[str], split: Split) -> list[Fold]:
    """The folds of these subjects, each of them named as often as you like. Raises SplitError."""
    order = sorted(set(subjects), key=lambda name: blake2b(f"{split.seed}:{name}".encode()).digest())
    needed = split.folds if isinstance(split, KFold) else 3
    if len(order) < needed:
        raise SplitError(
            f"{len(order)} subjects ({', '.join(order)}) for a split that needs {needed}: nobody may cross"
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
