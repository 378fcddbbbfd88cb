#!/usr/bin/env bash
# Ten minutes on one NVIDIA GPU, without TensorRT: what matters most comes first, every step ends in time, and what an
# interrupted step has measured is kept.
#
#   pip install -e '.[train,jetson,dev]' && bench/gpu/run.sh [--dry-run] [FOLDER]
#   python -m bench.gpu.table FOLDER/results.jsonl          the results as tables for the documentation
#
# --dry-run: everything once, with the smallest sizes, on the CPU and on the tests' stand-in for NVIDIA's driver.
# PYTHON: another interpreter than python3. Every line of FOLDER/results.jsonl is JSON, as is the last line printed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

dry=()
[ "${1:-}" = --dry-run ] && { dry=(--dry-run); shift; }
out=$(mkdir -p "${1:-build/gpu}" && cd "${1:-build/gpu}" && pwd)
python=${PYTHON:-python3}
results="$out/results.jsonl"
: >"$results"
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# step NAME SECONDS COMMAND...: its JSON lines go to the results, all it prints to NAME.log; then one line on the step.
step() {
  local name=$1 limit_s=$2 start_s=$SECONDS status
  shift 2
  echo "== $name, at most $limit_s s"
  timeout --kill-after=10 "$limit_s" "$@" 2>&1 | tee "$out/$name.log" | { grep --line-buffered '^{.*}$' || true; } | tee -a "$results"
  status=${PIPESTATUS[0]}
  printf '{"step": "%s", "status": %d, "seconds": %d}\n' "$name" "$status" $((SECONDS - start_s)) | tee -a "$results"
}

sanitize() {
  if [ ${#dry[@]} -gt 0 ]; then # the sanitizers need a GPU: the program that they would watch runs alone
    step "sanitize-$1" 300 "$python" -m bench.gpu.kernels --once --dry-run
  else
    step "sanitize-$1" 40 "$sanitizer" --tool "$1" --error-exitcode 9 "$python" -m bench.gpu.kernels --once
  fi
}

smoke=train/presets/smoke.toml
if [ ${#dry[@]} -gt 0 ]; then
  smoke="$out/tiny.toml"
  printf '%s\n' 'model = "compact"' '[data]' 'set = "tiny/dataset.toml"' 'points = 2' '[data.simulate]' 'subjects = 4' \
    'seed = 101' 'trials_per_subject = 1' 'seconds = 20' '[training]' 'epochs = 1' 'steps = 1' 'batch = 2' >"$smoke"
fi
sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
slower=$((${#dry[@]} * 5 + 1)) # a dry run's limits are longer: a CPU may be slow

step kernels $((90 * slower)) "$python" -m bench.gpu.kernels "${dry[@]}"
sanitize memcheck
if [ ${#dry[@]} -eq 0 ]; then
  for tool in racecheck synccheck initcheck; do sanitize $tool; done
fi
step tests $((60 * slower)) "$python" -m pytest -q -p no:cacheprovider tests/edge/gpu tests/train -k 'gpu or cuda'
step strategies $((60 * slower)) "$python" -m bench.gpu.strategies "${dry[@]}"
step networks $((80 * slower)) "$python" -m bench.gpu.networks "${dry[@]}"
step smoke $((100 * slower)) "$python" -m train --config "$smoke" --out "$out/smoke"
step limit $((40 * slower)) "$python" -m bench.gpu.limit "${dry[@]}"
"$python" -m bench.gpu.table --summary "$results"
