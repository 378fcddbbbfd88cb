"""HL7 FHIR: Observations and the bridge that stores them."""
