"""Writes the model card, the README.md of a bundle, from the bundle's description."""

from __future__ import annotations

import json
from string import Template

from edge.core.intended_use import NOT_A_DEVICE
from edge.inference.bundle import Description, Metrics
from train.data.readers.table import ATTRIBUTIONS

MAX_NAMED_SUBJECTS = 40
"""A longer list of subjects is replaced by its length."""

_CARD = Template("""\
# $name

> **$not_a_device** It must not be used to diagnose, treat or monitor a patient.

A network for radarecg. Its input is spectrograms of $points points of a chest, four seconds of radar data. Its
outputs are the middle heartbeat's ECG, the positions of all R peaks and the length of the middle cycle. `model.onnx` is
$precision; `bundle.json` contains all of this in machine-readable form, and the model's digest.

## Training

| | |
|---|---|
| data | $data |$before
| training subjects | $train |
| validation subjects (to choose the epoch) | $validation |
| test subjects (not used in training) | $test |
| seed | $seed |
| epoch | $epoch |
| command | `$command` |
| versions | $versions |
| spec | $spec |$attributions

No subject is in two of these groups. A data set named `simulated-...` contains no real person. Subjects of further
training data trained the network, now or earlier, or selected its epoch.

## Performance

$metrics

## Limitations

The network does not measure the heart's electrical activity. It outputs the ECG that belonged to a similar motion in
its training data: an illness that does not change the motion does not appear in the ECG, and an abnormal beat can look
normal. Radars, postures, ages and illnesses that are not in its data are untested.

## Training settings

```json
$settings
```
""")


def model_card(about: Description) -> str:
    """Return the card in Markdown."""
    provenance = about.provenance
    names = (provenance.data, *provenance.before)
    return _CARD.substitute(
        name=about.name,
        not_a_device=NOT_A_DEVICE,
        points="any number of" if about.points == "any" else about.points,
        precision=about.precision,
        data=provenance.data,
        before="".join(
            f"\n| further training data | {data}: {_names(who)} |" for data, who in provenance.before.items()
        ),
        train=_names(provenance.train),
        validation=_names(provenance.validation),
        test=_names(provenance.test),
        seed=provenance.seed,
        epoch=provenance.epoch,
        command=provenance.command,
        versions=", ".join(f"{program} {version}" for program, version in provenance.versions.items()),
        spec=about.spec,
        attributions="".join(f"\n| attribution | {ATTRIBUTIONS[data]} |" for data in names if data in ATTRIBUTIONS),
        metrics=_table(about.metrics) if about.metrics else "Not measured yet.",
        settings=json.dumps(provenance.settings, indent=1),
    )


def _names(subjects: tuple[str, ...]) -> str:
    names = ", ".join(subjects) if len(subjects) <= MAX_NAMED_SUBJECTS else "named in `bundle.json`"
    return f"{len(subjects)}: {names}"


def _table(metrics: Metrics) -> str:
    known = [(name, value) for name, value in metrics.figures.items() if value is not None]
    lines = [f"| {name} | {value:g} |" for name, value in known]
    return f"Measured by `train.evaluate` on {metrics.data}:\n\n| figure | |\n|---|---|\n" + "\n".join(lines)
