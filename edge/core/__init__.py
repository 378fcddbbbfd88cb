"""Code that all packages share: record types, constants, errors, file helpers, clock and interrupts."""
