"""The ward view: one page for all devices of a hub, and notices about them. Not a clinical alarm."""
