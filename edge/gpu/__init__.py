"""CUDA: context handling and the kernels of the SST."""
