"""What the hub and the home see: topics, payloads, and the client that publishes them."""
