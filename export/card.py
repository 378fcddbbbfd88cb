"""The model card: what a bundle's README.md says to people, all of it from the bundle's description."""

from __future__ import annotations

import json
from string import Template

from edge.core.spec import NOT_A_DEVICE
from edge.inference.bundle import Description, Metrics

NAMED = 40
"""More people than these are only counted."""

_CARD = Template("""\
# $name

> **$not_a_device** It must not be used to diagnose, treat or monitor a patient.

A network for radarecg: spectrograms of $points points of a chest, seen by radar for four seconds, to the middle
heartbeat's ECG, the places of all R peaks and the middle cycle's length. `model.onnx` is $precision; `bundle.json` says
all of this to programs, and has the files' digests.

## What it has learnt from

| | |
|---|---|
| data | $data |$before
| subjects to learn from | $train |
| to choose the epoch by | $validation |
| never seen | $test |
| seed | $seed |
| epoch | $epoch |
| command | `$command` |
| versions | $versions |
| spec | $spec |

Nobody is in two of these rows. A data set called `simulated-...` holds nobody's heart: what the network knows is then
what the simulation knows.

## How good it is

$metrics

## What it is not

A reconstruction of one heart's electrical activity from its mechanical one. It draws what hearts with such a motion
looked like in its data: an illness that does not show in the motion does not show in the ECG, and a beat can look
healthy that is not. Radars, postures, ages and illnesses that are not in its data are untested.

## The training's settings

```json
$settings
```
""")


def model_card(about: Description) -> str:
    """The card in Markdown."""
    provenance = about.provenance
    return _CARD.substitute(
        name=about.name,
        not_a_device=NOT_A_DEVICE,
        points="any number of" if about.points == "any" else about.points,
        precision=about.precision,
        data=provenance.data,
        before="".join(f"\n| before that | {data}: {_names(who)} |" for data, who in provenance.before.items()),
        train=_names(provenance.train),
        validation=_names(provenance.validation),
        test=_names(provenance.test),
        seed=provenance.seed,
        epoch=provenance.epoch,
        command=provenance.command,
        versions=", ".join(f"{program} {version}" for program, version in provenance.versions.items()),
        spec=about.spec,
        metrics=_table(about.metrics) if about.metrics else "Not measured yet.",
        settings=json.dumps(provenance.settings, indent=1),
    )


def _names(subjects: tuple[str, ...]) -> str:
    names = ", ".join(subjects) if len(subjects) <= NAMED else "named in `bundle.json`"
    return f"{len(subjects)}: {names}"


def _table(metrics: Metrics) -> str:
    known = [(name, value) for name, value in metrics.figures.items() if value is not None]
    lines = [f"| {name} | {value:g} |" for name, value in known]
    return f"Measured by `train.evaluate` on {metrics.data}:\n\n| figure | |\n|---|---|\n" + "\n".join(lines)
