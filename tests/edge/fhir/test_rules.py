"""Rules of the FHIR specification that fhir.resources does not check: a row for each, beneath the page that has it.

The pages are those of http://hl7.org/fhir/R4/; R4B and R5 have the same rules on pages of the same names. Keys such as
obs-6 are those of the constraints there.
"""

import re
from datetime import datetime

import pytest

from edge.fhir.terms import VERSIONS
from tests.helpers.hub_messages import ECG, INFO, MOVING, VALID, records_of

PATIENT = {"reference": "Patient/123"}
DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
REASONS = [
    "unknown",
    "asked-unknown",
    "temp-unknown",
    "not-asked",
    "asked-declined",
    "masked",
    "not-applicable",
    "unsupported",
    "as-text",
    "error",
    "not-a-number",
    "negative-infinity",
    "positive-infinity",
    "not-performed",
    "not-permitted",
]
OBSERVATION_STATUS = [
    "registered",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "cancelled",
    "entered-in-error",
    "unknown",
]
DEVICE_STATUS = ["active", "inactive", "entered-in-error", "unknown"]
NAME_TYPES = {
    "R4": ["udi-label-name", "user-friendly-name", "patient-reported-name", "manufacturer-name", "model-name", "other"],
    "R5": ["registered-name", "user-friendly-name", "patient-reported-name"],
}
METRIC_CATEGORIES = ["measurement", "setting", "calculation", "unspecified"]
CASES = {"valid": VALID, "moving": MOVING, "ecg": ECG}


def observations(version: str, names=("valid", "moving")) -> list[dict]:
    """Return Observations of messages and of periods, with a subject as the hub adds it."""
    records = [
        record for name in names for every_s in (None, 60) for record in records_of(CASES[name], version, every_s)
    ]
    return [{**record.resource, "subject": PATIENT} for record in records]


def nodes(value):
    """Yield every object within a resource."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


def leaves(value):
    for node in nodes(value):
        yield from (leaf for leaf in node.values() if not isinstance(leaf, dict | list))


def codes(concept: dict, system: str) -> list[str]:
    return [coding["code"] for coding in concept["coding"] if coding["system"] == system]


HL7 = "http://terminology.hl7.org/CodeSystem"
VITAL_SIGNS = {
    # vitalsigns.html: the profile Vital Signs
    "status 1..1, required binding ObservationStatus": lambda o: o["status"] in OBSERVATION_STATUS,
    "category VSCat 1..1": lambda o: (
        [*(code for category in o["category"] for code in codes(category, f"{HL7}/observation-category"))]
        == ["vital-signs"]
    ),
    "code 1..1, with a LOINC code of the profile": lambda o: (
        codes(o["code"], "http://loinc.org") in (["8867-4"], ["9279-1"])
    ),
    "subject 1..1 Patient": lambda o: o["subject"]["reference"].startswith("Patient/"),
    "effective[x] 1..1, vs-1: to the day at least": lambda o: DATE_TIME.fullmatch(o["effectiveDateTime"]),
    "vs-2: a value or dataAbsentReason": lambda o: ("valueQuantity" in o) != ("dataAbsentReason" in o),
    # heartrate.html and resprate.html, which are derived from it
    "valueQuantity: value, unit, system UCUM, code /min": lambda o: (
        "valueQuantity" not in o
        or (
            o["valueQuantity"]["system"] == "http://unitsofmeasure.org"
            and o["valueQuantity"]["code"] == "/min"
            and isinstance(o["valueQuantity"]["value"], float)
            and o["valueQuantity"]["unit"]
        )
    ),
    # valueset-data-absent-reason.html: an extensible binding, so its codes where one applies
    "dataAbsentReason: a code of the value set": lambda o: (
        "dataAbsentReason" not in o
        or (
            set(codes(o["dataAbsentReason"], f"{HL7}/data-absent-reason")) <= set(REASONS)
            and o["dataAbsentReason"]["text"]
        )
    ),
}
ANY = {
    # observation.html#invs
    "obs-6: dataAbsentReason only without a value": lambda o, _: not ("dataAbsentReason" in o and "valueQuantity" in o),
    "obs-7: no value if a component has the same code": lambda o, _: (
        not any(component["code"] == o.get("code") for component in o.get("component", ()))
    ),
    # datatypes.html and element.html
    "ele-1: no element is empty": lambda o, _: (
        all(node for node in nodes(o)) and all(leaf not in ("", None) for leaf in leaves(o))
    ),
    "qty-3: a unit's code has a system": lambda o, _: all(
        "system" in node for node in nodes(o) if "value" in node and "code" in node
    ),
    "per-1: a period's start is not after its end": lambda o, _: all(
        datetime.fromisoformat(node["start"].replace("Z", "+00:00"))
        <= datetime.fromisoformat(node["end"].replace("Z", "+00:00"))
        for node in nodes(o)
        if {"start", "end"} <= set(node)
    ),
    "string: no leading or trailing space": lambda o, _: all(
        leaf == leaf.strip() for leaf in leaves(o) if isinstance(leaf, str)
    ),
    "uri: absolute, without spaces": lambda o, _: all(
        re.fullmatch(r"[a-z]+:\S+", node["system"]) for node in nodes(o) if "system" in node
    ),
    "code: no space at its ends, none doubled": lambda o, _: all(
        re.fullmatch(r"\S+( \S+)*", node["code"]) for node in nodes(o) if isinstance(node.get("code"), str)
    ),
    # references.html#logical
    "a reference has a reference, or an identifier with a type": lambda o, _: all(
        "type" in node["identifier"] or {"type", "identifier"} <= set(node) or "reference" in node
        for node in nodes(o)
        if isinstance(node.get("identifier"), dict)
    ),
    # http.html#create: the server assigns the id
    "no id of the client's": lambda o, _: "id" not in o,
}
DEVICES = {
    # device.html: required bindings
    "Device.status": lambda r, _: r["resourceType"] != "Device" or r["status"] in DEVICE_STATUS,
    "Device.deviceName.type (R5: name.type)": lambda r, version: (
        r["resourceType"] != "Device"
        or r.get("deviceName", r.get("name"))[0]["type"] in NAME_TYPES["R5" if version == "R5" else "R4"]
    ),
    "Device.version.value 1..1": lambda r, _: all(entry["value"] for entry in r.get("version", ())),
    # devicemetric.html: required bindings
    "DeviceMetric.category 1..1": lambda r, _: (
        r["resourceType"] != "DeviceMetric" or r["category"] in METRIC_CATEGORIES
    ),
    "DeviceMetric.type 1..1, preferred binding 11073-10101": lambda r, _: (
        r["resourceType"] != "DeviceMetric" or codes(r["type"], "urn:iso:std:iso:11073:10101")
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rule", VITAL_SIGNS)
def test_rates_follow_the_profile_vital_signs(rule, version):
    for resource in observations(version):
        assert VITAL_SIGNS[rule](resource), resource


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rule", [*ANY, *DEVICES])
def test_resources_follow_the_rules_of_their_types(rule, version):
    rules = {**ANY, **DEVICES}
    devices = [record.resource for record in records_of(INFO, version)]
    for resource in (*observations(version, tuple(CASES)), *devices):
        assert rules[rule](resource, version), resource


@pytest.mark.parametrize(
    ("kind", "elements"),
    [  # the elements of R4 (4.0.1), from the pages of the resources; those of R4B (4.3.0) are the same
        (
            "Observation",
            "identifier basedOn partOf status category code subject focus encounter effectiveDateTime "
            "effectivePeriod effectiveTiming effectiveInstant issued performer valueQuantity dataAbsentReason "
            "interpretation note bodySite method specimen device referenceRange hasMember derivedFrom component",
        ),
        (
            "Device",
            "identifier definition udiCarrier status statusReason distinctIdentifier manufacturer manufactureDate "
            "expirationDate lotNumber serialNumber deviceName modelNumber partNumber type specialization version "
            "property patient owner contact location url note safety parent",
        ),
        (
            "DeviceMetric",
            "identifier type unit source parent operationalStatus color category measurementPeriod calibration",
        ),
    ],
)
def test_r4_has_every_element_that_is_used(kind, elements):
    used = observations("R4", tuple(CASES)) + [record.resource for record in records_of(INFO, "R4")]
    for resource in used:
        if resource["resourceType"] == kind:
            assert set(resource) <= {"resourceType", *elements.split()}


@pytest.mark.parametrize("rule", ["vs-2: a value or dataAbsentReason", "subject 1..1 Patient"])
def test_a_rule_can_fail(rule):
    broken = {**observations("R4B")[0], "subject": {"reference": "Group/1"}, "dataAbsentReason": {"text": "x"}}
    assert not VITAL_SIGNS[rule](broken)
