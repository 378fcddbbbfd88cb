"""Simulated people: trials in MMECG's format, drawn from ranges that cover the variation of people and rooms."""
