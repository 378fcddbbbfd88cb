"""Names that all resources share: FHIR versions, identifier systems, and the codes of the three metrics.

Codes are of LOINC and ISO/IEEE 11073-10101, units of UCUM. `R4` and `R4B` are one shape: none of the elements that are
used here differ between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Version = Literal["R4", "R4B", "R5"]
VERSIONS: tuple[Version, ...] = get_args(Version)
Resource = dict[str, Any]
MetricName = Literal["heart-rate", "breathing-rate", "ecg"]

MESSAGE_SYSTEM = "urn:radarecg:message"
PERIOD_SYSTEM = "urn:radarecg:period"
DEVICE_SYSTEM = "urn:radarecg:device"
METRIC_SYSTEM = "urn:radarecg:metric"
HL7 = "http://terminology.hl7.org/CodeSystem"
MDC = "urn:iso:std:iso:11073:10101"
METHOD = "Contactless FMCW radar"
_UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured quantity: its codes, its UCUM unit with the name of it, and the unit's code in 11073-10101."""

    name: MetricName
    codes: tuple[Resource, ...]
    unit: str
    unit_name: str
    unit_mdc: Resource

    def quantity(self, value: float) -> Resource:
        """Return a Quantity in the metric's unit."""
        return {"value": value, "unit": self.unit_name, "system": _UCUM, "code": self.unit}


def coding(system: str, code: str, display: str) -> Resource:
    """Return a Coding."""
    return {"system": system, "code": code, "display": display}


HEART_RATE = Metric(
    "heart-rate",
    (coding("http://loinc.org", "8867-4", "Heart rate"), coding(MDC, "147842", "MDC_ECG_HEART_RATE")),
    *("/min", "beats/minute", coding(MDC, "264864", "MDC_DIM_BEAT_PER_MIN")),
)
BREATHING_RATE = Metric(
    "breathing-rate",
    (coding("http://loinc.org", "9279-1", "Respiratory rate"), coding(MDC, "151562", "MDC_RESP_RATE")),
    *("/min", "breaths/minute", coding(MDC, "264928", "MDC_DIM_RESP_PER_MIN")),
)
ECG = Metric(
    "ecg",
    (coding(MDC, "131328", "MDC_ECG_ELEC_POTL"),),
    *("mV", "mV", coding(MDC, "266418", "MDC_DIM_MILLI_VOLT")),
)


def device_reference(device: str) -> Resource:
    """Return a reference to a Device by its identifier, which holds on every server."""
    return {"type": "Device", "identifier": {"system": DEVICE_SYSTEM, "value": device}}
