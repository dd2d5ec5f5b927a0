#!/usr/bin/env bash
# One GPU, under ten minutes: agejax in bfloat16 beside torch.compile. Needs this repository and the
# packages of pyproject.toml (jax 0.10.2 or later); torch, torchvision and timm for the peers.
set -euo pipefail
cd "$(dirname "$0")"
export PYTHONPATH="$PWD/..${PYTHONPATH:+:$PYTHONPATH}" XLA_PYTHON_CLIENT_PREALLOCATE=false
exec "${PYTHON:-python3}" gpu.py "$@"
