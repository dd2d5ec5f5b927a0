#!/usr/bin/env bash
# Compares agejax in bfloat16 with torch.compile on one GPU, in under ten minutes. Needs this
# repository and the packages of pyproject.toml (jax 0.10.2 or later); torch, torchvision and timm
# for the peers.
set -euo pipefail
cd "$(dirname "$0")"
export PYTHONPATH="$PWD/..${PYTHONPATH:+:$PYTHONPATH}" XLA_PYTHON_CLIENT_PREALLOCATE=false
exec "${PYTHON:-python3}" gpu.py "$@"
