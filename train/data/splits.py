"""Splits subjects into training, validation and test parts, so that no subject is in two parts.

A fold depends only on the seed and the subjects' names, not on their order. Only the paper's own split is by trial: a
subject is in several of its parts, so its figures do not apply to new people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec

from edge.core.errors import InputError

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class SplitError(InputError):
    """Too few subjects for the split."""


@dataclass(frozen=True)
class Fold:
    """Subjects, or names of trials, for training, for validation (selection of epoch and settings) and for test."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    by: Literal["subject", "trial"] = "subject"


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


class PaperTrials(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="paper"):
    """The paper's split of MMECG's 91 trials into 80 %, 10 % and 10 %, in nine folds; the first tests trials 75 to 84.

    The paper states that these trials are tested in noise, and evaluates long-term ECGs of all 91; how it divides them
    is not stated. Here each fold tests ten (the last: eleven) consecutive trials, and validates on those of the next.
    """


PAPER_TRIALS, PAPER_FOLDS, PAPER_FIRST_TESTED = 91, 9, 75
Split = Holdout | KFold | LeaveSubjectOut | PaperTrials


def make_folds(trials: Sequence[tuple[str, str]], split: Split) -> list[Fold]:
    """Return the folds of trials (name, subject), in the data set's order. Raises SplitError."""
    if isinstance(split, PaperTrials):
        return split_trials([name for name, _ in trials])
    return split_subjects((subject for _, subject in trials), split)


def split_trials(names: Sequence[str]) -> list[Fold]:
    """Return the paper's folds of its 91 trials. Raises SplitError for another number."""
    if len(names) != PAPER_TRIALS:
        raise SplitError(
            f"{len(names)} trials, not the {PAPER_TRIALS} of MMECG that the paper's split is defined for; "
            "use a split by subject"
        )
    first, size = PAPER_FIRST_TESTED - 1, PAPER_TRIALS // PAPER_FOLDS
    order = [*names[first:], *names[:first]]
    parts = [order[k * size : (k + 1) * size] for k in range(PAPER_FOLDS)]
    parts[-1] = order[(PAPER_FOLDS - 1) * size :]
    folds = []
    for k, test in enumerate(parts):
        validation = parts[(k + 1) % PAPER_FOLDS]
        train = [name for name in names if name not in {*test, *validation}]
        folds.append(Fold(tuple(train), tuple(validation), tuple(test), "trial"))
    return folds


def split_subjects(subjects: Iterable[str], split: Holdout | KFold | LeaveSubjectOut) -> list[Fold]:
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
