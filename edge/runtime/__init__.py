"""The service: settings, start and stop, health."""
