"""MQTT: topics, payloads and their schemas, and the client that publishes them."""
