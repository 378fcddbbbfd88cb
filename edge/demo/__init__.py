"""Demo of the whole chain on one machine: a broker, the twin, the runtime, and a subscriber with a live view."""
