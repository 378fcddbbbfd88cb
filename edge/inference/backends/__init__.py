"""Where a network runs: `base` is the contract, the other files one runtime each."""
