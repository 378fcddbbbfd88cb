"""A person's own delay between heartbeat and motion, measured against another device's R peaks."""
