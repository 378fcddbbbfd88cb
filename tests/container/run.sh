#!/usr/bin/env bash
# make container-test: builds the image for arm64, with the CPU backend, and tries it; for Debian, as root, without Docker.
#
# The base is Debian's arm64 packages, built by buildah in chroots; podman runs it with what compose.yaml asks for; the
# arm64 programs run in qemu-user. What takes long is kept in $WORK: the base, qemu, the image's layers.
set -euo pipefail
cd "$(dirname "$0")/../.."

WORK=${WORK:-/var/tmp/radarecg-container}
SUITE=bookworm
QEMU_SUITE=trixie # the qemu of bookworm crashes in onnxruntime
IMAGE=localhost/radarecg-test
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
  "$WORK/qemu/usr/bin/qemu-aarch64" --version | head -n 1
}

base() {
  store buildah inspect --type image localhost/radarecg-test-base >/dev/null 2>&1 && return
  if [ ! -s "$WORK/base.tar" ]; then
    say "bootstrapping Debian $SUITE for arm64"
    mmdebstrap --arch=arm64 --variant=minbase --include=ca-certificates,python3 "$SUITE" "$WORK/base.part.tar"
    mv "$WORK/base.part.tar" "$WORK/base.tar"
  fi
  local container
  container=$(store buildah from --arch arm64 scratch)
  store buildah add --quiet "$container" "$WORK/base.tar" /
  store buildah commit --quiet --rm "$container" localhost/radarecg-test-base
}

# What this machine's pip must know (an index, an authority) comes from outside, for the build only.
build() {
  say "building the image"
  local from_outside=(--volume /etc/ssl/certs:/etc/ssl/certs:ro) settings="$WORK/pip.conf"
  printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$settings"
  from_outside+=(--volume "$settings:/etc/pip.conf:ro")
  store buildah bud --isolation chroot --arch arm64 --format docker --layers "${from_outside[@]}" \
    --build-arg BASE=localhost/radarecg-test-base --build-arg BACKEND=onnxruntime \
    --tag $IMAGE --file Dockerfile.jetson .
}

[ "$(id -u)" = 0 ] || { echo "container-test: error: run it as root" >&2; exit 2; }
mkdir -p "$WORK"
tools
emulator
base
build
say "running it"
.venv/bin/python -m tests.container.check "$WORK" $IMAGE
