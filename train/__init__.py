"""Training on a workstation: data, networks, strategies. May use `edge`; `edge` never imports it."""
