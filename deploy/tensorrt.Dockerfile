# The base for x86 with an NVIDIA card, or for a Jetson Thor: TensorRT out of NVIDIA's image, without its compilers,
# samples and headers (the image is made for both processors):
#
#   docker build -f deploy/tensorrt.Dockerfile -t tensorrt deploy
#
# 25.08 has TensorRT 10.13 and CUDA 13.0, which needs a driver of 580 or later.
# --build-arg IMAGE=nvcr.io/nvidia/tensorrt@sha256:... and UBUNTU=ubuntu@sha256:... pin both to what you tested.
ARG UBUNTU=ubuntu:24.04
ARG IMAGE=nvcr.io/nvidia/tensorrt:25.08-py3
FROM ${IMAGE} AS image
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# TensorRT's libraries are where the loader finds them. With them, in the same folder, goes what they are linked to out of
# CUDA's folder, except the driver's libcuda.
RUN folder=$(realpath "$(dirname "$(ldconfig -p | sed -n 's/.*libnvinfer\.so\..* => //p' | head --lines=1)")") \
    && package=$(python3 -c 'from importlib.util import find_spec; print(*find_spec("tensorrt").submodule_search_locations)') \
    && mkdir /tensorrt \
    && cp --parents --no-dereference "${folder}"/lib{nvinfer,nvonnxparser}*.so* /tensorrt \
    && cp --parents --recursive "${package}" /tensorrt \
    && ldd "${folder}"/lib{nvinfer,nvonnxparser}.so.?? | sed -n 's/.* => \(.*cuda.*\) (.*/\1/p' | sort --unique \
        | { grep --invert-match libcuda.so || true; } \
        | xargs --no-run-if-empty cp --dereference --target-directory="/tensorrt${folder}"


FROM ${UBUNTU}
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=image /tensorrt /
RUN ldconfig
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
