"""From rates to what may be said about them."""
