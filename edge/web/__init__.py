"""The live page, and the monitoring endpoints /healthz and /metrics."""
