#!/usr/bin/env bash
# make container-test: builds the image twice and tries both; for Debian, as root, without Docker. Or one alone:
#
#   tests/container/run.sh arm64   for arm64, with the CPU backend; its programs run in qemu-user
#   tests/container/run.sh gpu     for this computer, with the GPU backend, on stand-ins for the driver and TensorRT
#   tests/container/run.sh hang    the same image, with a network that never returns
#
# The base is Debian's packages, built by buildah in chroots; podman runs it with what compose.yaml asks for. What takes
# long is kept in $WORK: the bases, qemu, the images' layers.
set -euo pipefail
cd "$(dirname "$0")/../.."

WORK=${WORK:-/var/tmp/radarecg-container}
SUITE=bookworm
QEMU_SUITE=trixie # the qemu of bookworm crashes in onnxruntime
NATIVE=$(dpkg --print-architecture)
BINFMT=/proc/sys/fs/binfmt_misc

say() { printf '\n== %s\n' "$*"; }
store() { "$1" --root "$WORK/images" --runroot "$WORK/run" "${@:2}"; }

tools() {
  local missing=() name
  for name in buildah podman runc mmdebstrap arch-test mosquitto; do
    command -v "$name" >/dev/null || [ -x "/usr/sbin/$name" ] || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends "${missing[@]}"
}

# A current qemu-user, by name from this machine's own Debian mirror, for this run only.
emulator() {
  local apt="$WORK/apt" mirror options
  if [ ! -x "$WORK/qemu/usr/bin/qemu-aarch64" ]; then
    say "fetching qemu-user of $QEMU_SUITE"
    mkdir -p "$apt/parts" "$apt/lists/partial"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$')
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $QEMU_SUITE main" >"$apt/parts/qemu.list"
    options=(-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/parts" -o Dir::State::Lists="$apt/lists")
    apt-get "${options[@]}" update -qq
    (cd "$apt" && apt-get "${options[@]}" -qq download qemu-user)
    dpkg --extract "$apt"/qemu-user_*.deb "$WORK/qemu"
  fi
  [ -e $BINFMT/register ] || mount -t binfmt_misc binfmt_misc $BINFMT
  [ -e $BINFMT/radarecg-arm64 ] && echo -1 >$BINFMT/radarecg-arm64
  trap 'echo -1 >$BINFMT/radarecg-arm64' EXIT
  local zero='\x00\x00\x00\x00\x00\x00\x00\x00' ones='\xff\xff\xff\xff\xff\xff\xff'
  printf '%s' ":radarecg-arm64:M::\x7fELF\x02\x01\x01\x00${zero}\x02\x00\xb7\x00:${ones}\x00${ones}\xff\xfe\xff\xff\xff:$WORK/qemu/usr/bin/qemu-aarch64:F" \
    >$BINFMT/register
  # mmdebstrap looks for a static qemu by this name; trixie's is static.
  if [ ! -e /usr/bin/qemu-aarch64-static ]; then
    ln -s "$WORK/qemu/usr/bin/qemu-aarch64" /usr/bin/qemu-aarch64-static
    trap 'echo -1 >$BINFMT/radarecg-arm64; rm /usr/bin/qemu-aarch64-static' EXIT
  fi
  "$WORK/qemu/usr/bin/qemu-aarch64" --version | head -n 1
}

# base ARCHITECTURE
base() {
  local name=localhost/radarecg-test-base-$1 tar="$WORK/base-$1.tar" container
  store buildah inspect --type image "$name" >/dev/null 2>&1 && return
  if [ ! -s "$tar" ]; then
    say "bootstrapping Debian $SUITE for $1"
    mmdebstrap --arch="$1" --variant=minbase --include=ca-certificates,python3 "$SUITE" "$WORK/base.part.tar"
    mv "$WORK/base.part.tar" "$tar"
  fi
  container=$(store buildah from --arch "$1" scratch)
  store buildah add --quiet "$container" "$tar" /
  store buildah commit --quiet --rm "$container" "$name"
}

# build ARCHITECTURE BACKEND. What this machine's pip must know (an authority) comes from outside, for the build only.
build() {
  say "building the image for $1 with the backend $2"
  local from_outside=(--volume /etc/ssl/certs:/etc/ssl/certs:ro) settings="$WORK/pip.conf"
  printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$settings"
  from_outside+=(--volume "$settings:/etc/pip.conf:ro")
  store buildah bud --isolation chroot --arch "$1" --format docker --layers "${from_outside[@]}" \
    --build-arg BASE="localhost/radarecg-test-base-$1" --build-arg BACKEND="$2" \
    --tag "localhost/radarecg-test-$2" --file Dockerfile.jetson .
}

try_on_arm64() {
  emulator
  base arm64
  build arm64 onnxruntime
  say "running it"
  .venv/bin/python -m tests.container.check "$WORK" localhost/radarecg-test-onnxruntime
}

try_with_gpu_backend() {
  base "$NATIVE"
  build "$NATIVE" tensorrt
  say "running it on stand-ins"
  .venv/bin/python -m tests.container.check_gpu "$WORK" localhost/radarecg-test-tensorrt
}

try_with_hanging_network() {
  base "$NATIVE"
  build "$NATIVE" tensorrt
  say "running it with a network that never returns"
  .venv/bin/python -m tests.container.check_hang "$WORK" localhost/radarecg-test-tensorrt
}

[ "$(id -u)" = 0 ] || { echo "container-test: error: run it as root" >&2; exit 2; }
mkdir -p "$WORK"
tools
case "${1:-all}" in
  arm64) try_on_arm64 ;;
  gpu) try_with_gpu_backend ;;
  hang) try_with_hanging_network ;;
  all) try_with_gpu_backend && try_with_hanging_network && try_on_arm64 ;;
  *) echo "container-test: error: $1: it is arm64, gpu or hang" >&2; exit 2 ;;
esac
