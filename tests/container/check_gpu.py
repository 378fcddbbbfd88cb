"""Runs the image with the GPU backend as compose.yaml would, on stand-ins for NVIDIA's driver and for TensorRT.

PyCUDA, NVRTC and the kernels are the image's own. First with right engines: a heart rate and an ECG come from the GPU
backend. Then with engines that give wrong numbers: the network comes down to the CPU, and the device keeps publishing.
"""

from __future__ import annotations

import argparse
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

from edge.core.spec import SST_DEFAULT
from edge.runtime.device_state import DeviceState
from tests.container.check import ask, check_inside, wait_for
from tests.container.outside import LIMITS, ROOT, Hub, Podman, importable, running, set_up, start_broker, start_twin
from tests.helpers.cuda_stand_in import ORIN, build_driver, provide_kernels

ENGINES, STAND_INS = "/var/lib/radarecg/engines", "/stand-ins"
ON_GPU = f'backend = "tensorrt"\nengine = "{ENGINES}/compact.engine"'
USER = 871
START_S, RATE_S, ECG_S = 300.0, 900.0, 300.0
PATIENCE = """\
# The stand-in computes the SST of a window in seconds, where a GPU takes a millisecond: it is not too slow.
import edge.inference.self_test

edge.inference.self_test.MAX_INFERENCE_S = 1000
"""


def make_stand_ins(folder: Path) -> None:
    """The driver, the kernels that it runs, and a module `tensorrt`."""
    shutil.rmtree(folder, ignore_errors=True)
    build_driver(folder)
    provide_kernels(folder, ORIN, SST_DEFAULT)
    helper = (ROOT / "tests/helpers/tensorrt_on_cpu.py").read_text()
    (folder / "tensorrt.py").write_text(f"{helper}\n__version__ = VERSION\n")
    (folder / "container_start.py").write_text(PATIENCE)
    shutil.copy(ROOT / "tests/container/make_engines.py", folder)


def options(podman: Podman, image: str, stand_ins: Path, engines: Path) -> list[str]:
    """What of podman run gives a container the stand-ins and the volume of the engines."""
    environment = {
        "LD_LIBRARY_PATH": STAND_INS,
        "STAND_IN_THREAD_ORDER": "0",
        **ORIN.environment(Path(STAND_INS)),
    }
    words = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    return [*words, *importable(podman, image, stand_ins, STAND_INS), "--volume", f"{engines}:{ENGINES}"]


def run_once(podman: Podman, *words: str) -> str:
    """Run a command in a new container, and return what it prints."""
    return podman("run", "--rm", "--no-healthcheck", *LIMITS, *words).stdout


def new_engines(podman: Podman, image: str, stand_ins: Path, folder: Path, *words: str) -> None:
    """Make engines in the image, as a first start would on a device."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.chown(folder, USER, USER)
    program = ("python", f"{STAND_INS}/make_engines.py", ENGINES, *words)
    run_once(podman, *options(podman, image, stand_ins, folder), image, *program)


def wait_for_info(hub: Hub) -> dict:
    """What the device says of itself, when it is online."""
    return next((message for kind, message in hub.listen(START_S) if kind == "info"), {})


def try_out(podman: Podman, image: str, work: Path, backend: str) -> dict:
    """From the start to a heart rate and an ECG; returns the message `info`."""
    with ExitStack() as stack:
        folder = set_up(work / "etc", ON_GPU)
        start_broker(stack, folder)
        hub = Hub(folder)
        _twin, port = start_twin(stack, folder)
        words = options(podman, image, work / "stand-ins", work / "engines")
        stack.enter_context(running(podman, image, folder, port, *words))
        info = wait_for_info(hub)
        ask("the network's backend", info.get("network_backend") == backend, info.get("network_backend"))
        waited_s = wait_for(hub, podman, RATE_S, valid=True)
        ask("the first heart rate", waited_s is not None, f"after {waited_s or 0:.0f} s")
        ecg = next((message for kind, message in hub.listen(ECG_S) if kind == "ecg"), None)
        ask("the reconstructed ECG", ecg is not None, ecg and ecg["model"]["id"])
        if backend == "tensorrt":
            check_inside(podman, "tensorrt")
            cubins = [path.name for path in (work / "engines").glob("*.cubin")]
            ask("the compiled kernels are on the volume", len(cubins) == 1, cubins)
            health = next(message for kind, message in hub.listen(ECG_S) if kind == "health")
            has_state = DeviceState().read() is not None
            ask("health has the computer's state", (health["computer"] is not None) == has_state, health["computer"])
    return info


def main() -> None:
    """Right engines, then wrong ones."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("image")
    args = parser.parse_args()
    podman, stand_ins, engines = Podman(args.work), args.work / "stand-ins", args.work / "engines"
    make_stand_ins(stand_ins)
    found = run_once(podman, args.image, "sh", "-c", "command -v python nvcc gcc cc g++ || true")
    ask("no compiler in the image", found == "/opt/radarecg/bin/python\n", found.strip())
    new_engines(podman, args.image, stand_ins, engines)
    info = try_out(podman, args.image, args.work, "tensorrt")
    ask("on the configured backend", info["network_fallback"] is None)
    new_engines(podman, args.image, stand_ins, engines, "--wrong")
    info = try_out(podman, args.image, args.work, "onnxruntime")
    fallback = info["network_fallback"] or ""
    ask("it says why the GPU is not used", fallback.count("wrong values") == 2, fallback)
    print("container-test with the GPU backend: passed", flush=True)


if __name__ == "__main__":
    main()
