"""Shared by every room: record types, numbers, errors, file helpers and the clock."""
