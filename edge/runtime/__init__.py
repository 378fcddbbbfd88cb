"""The services `radarecg run` and `fhir-bridge`: settings, start and stop, checks and diagnostics."""
