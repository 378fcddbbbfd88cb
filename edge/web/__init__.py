"""The live page, and what watches the runtime: /healthz and /metrics."""
