"""From a checkpoint to a bundle and a TensorRT engine. May use `train` and `edge`; neither imports it."""
