"""The training loop, its settings, losses, batches and checkpoints."""
