"""The services `radarecg run`, `fhir-bridge` and `ward`: settings, start and stop, checks and diagnostics."""
