"""CUDA: context and kernels."""
