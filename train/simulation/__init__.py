"""People who were never there: trials in MMECG's form, drawn from ranges as wide as people and rooms are."""
