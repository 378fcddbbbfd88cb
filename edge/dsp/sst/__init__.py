"""The synchrosqueezed wavelet transform (SST)."""
