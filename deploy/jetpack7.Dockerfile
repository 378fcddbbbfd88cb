# The base for JetPack 7 (R38, R39), of which NVIDIA has no image: Ubuntu with TensorRT from NVIDIA's packages for Jetson.
# The folder is the Jetson's own /etc/apt, so that the packages are those of its release:
#
#   docker build -f deploy/jetpack7.Dockerfile -t jetpack7 /etc/apt
#
# --build-arg UBUNTU=ubuntu@sha256:... pins Ubuntu to the image that you tested.
ARG UBUNTU=ubuntu:24.04
FROM ${UBUNTU}
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
COPY trusted.gpg.d/jetson-ota-public.asc /etc/apt/trusted.gpg.d/
COPY sources.list.d/nvidia-l4t-apt-source.list /etc/apt/sources.list.d/
# CUDA's run-time library by its name in this release: cuda-cudart-13-0 in R38, -13-2 in R39.
# hadolint ignore=DL3008
RUN apt-get update \
    && cudart=$(apt-cache pkgnames cuda-cudart-13 | sort --version-sort | tail --lines=1) \
    && apt-get install --yes --no-install-recommends "${cudart}" python3-libnvinfer tensorrt-libs \
    && rm -rf /var/lib/apt/lists/*
# As in NVIDIA's own images, so that the NVIDIA runtime adds GPU and driver.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all
