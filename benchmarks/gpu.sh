#!/usr/bin/env bash
# Measures agejax on one GPU, in at most eight minutes, and writes each figure at once:
#
#     bash benchmarks/gpu.sh OUT [stage ...]
#
# OUT gets `figures.json`, `figures.txt` with a line per figure, and `log.txt`. The stages are in
# benchmarks/gpu/; docs/gpu.md describes them, and what the machine needs. Wheels in `.whl/` (WHEELS
# names another folder) are installed first, into a temporary folder, without a network.
# AGEJAX_GPU=0 runs tiny sizes on any device.
set -euo pipefail
: "${1:?the folder for the figures is missing: bash benchmarks/gpu.sh OUT}"
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3} WHEELS=${WHEELS:-.whl}
export GPU_WORK=${GPU_WORK:-$(mktemp -d)}
export PYTHONPATH="$PWD:$PWD/benchmarks:$PWD/benchmarks/gpu${PYTHONPATH:+:$PYTHONPATH}"
if compgen -G "$WHEELS/*.whl" >/dev/null; then
  "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
    --disable-pip-version-check --upgrade --target "$GPU_WORK/site" "$WHEELS"/*.whl
  export PYTHONPATH="$GPU_WORK/site:$PYTHONPATH"
fi
export XLA_PYTHON_CLIENT_PREALLOCATE=false PYTHONUNBUFFERED=1
exec "$PYTHON" benchmarks/gpu/run.py "$OUT" "$@"
