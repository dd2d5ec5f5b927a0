"""Training in bfloat16, beside `torch.compile` of the same networks.

torch has channels_last, bfloat16 autocast, a fused Adam, cuDNN's autotuning and its compiler's
default mode (TORCH_MODE sets another). Both sides are in processes of their own, on batches that
are on the device; they warm up at the same time and are measured alternately.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys

from figures import SMOKE, Figures, seconds_left
from networks import NETWORKS
from turns import Peer, ratio, versions

NAMES = ("small_cnn", "face_resnet")
if not SMOKE:
    NAMES += ("resnet50", "vit_s16", "tutorial_cnn", "vgg16")
ROUNDS = 1 if SMOKE else 5
ROUND = 0.8  # seconds, about
LEAST = 25  # seconds without which no network is started
TORCH = ("torch",) if importlib.util.find_spec("torch") else ()


def main():
    figures = Figures("speed")
    counting = subprocess.Popen(
        [sys.executable, "gpu/flops.py", *NAMES],
        cwd=Peer.folder,
        env=Peer.env() | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        text=True,
    )
    figures.write("versions", versions("jax", "flax", "torch", "torchvision", "timm"))
    figures.write("peak", peak := measured_peak())
    figures.line(f"{figures_of(peak)}; {versions('jax', 'torch')}")
    flops = json.loads(counting.communicate()[0] or "{}")
    figures.line("network       size batch  img/s agejax, torch     of peak   torch / agejax")
    for name in NAMES:
        if seconds_left() < LEAST:
            figures.line(f"{name:13} not started, no time is left")
            continue
        try:
            found = compare(name, figures)
        except SystemExit as failed:
            figures.line(f"{name:13} {failed}")
            continue
        if name in flops:
            found["share_of_peak"] = flops[name] * found["agejax"] / peak["flops"]
        figures.write(name, found)
        size, batch_size = shape_of(name)
        rates = "".join(f"{found[side]:10,.0f}" for side in ("agejax", "torch") if side in found)
        share = f"{found.get('share_of_peak', float('nan')):8.1%}"
        figures.line(
            f"{name:13} {size:4} {batch_size:5} {rates}   {share}   {found.get('ratio', '-')}"
        )


def shape_of(name):
    """The size and the batch size of a network here."""
    return (32, 2) if SMOKE else NETWORKS[name].gpu


def compare(name, figures):
    """Images per second of both sides, and their ratio in each round."""
    size, batch_size = shape_of(name)
    shape = (name, str(size), str(batch_size))
    sides = {"agejax": Peer("steps_agejax.py", *shape, "--dtype", "bfloat16")}
    sides |= {side: Peer(f"steps_{side}.py", *shape) for side in TORCH}
    try:
        for peer in sides.values():
            peer.ask(1 if SMOKE else 3)  # compiles
        for side, peer in list(sides.items()):
            try:
                peer.answer()
            except SystemExit as failed:
                if side == "agejax":
                    raise
                figures.line(f"{name:13} {failed}")
                sides.pop(side).close()
        n, times = {}, {side: [] for side in sides}
        for side, peer in sides.items():
            n[side] = 1 if SMOKE else min(200, max(5, int(10 * ROUND / peer.seconds(10))))
        for _ in range(ROUNDS):
            for side, peer in sides.items():
                times[side].append(peer.seconds(n[side]) / n[side])
    finally:
        for peer in sides.values():
            peer.close()
    found = {side: batch_size / statistics.median(each) for side, each in times.items()}
    found["seconds_per_step"] = times
    if "torch" in times:
        found["ratio"] = ratio(times["torch"], times["agejax"])
    return found


def measured_peak():
    """The device, and FLOP/s of a bfloat16 matrix product, in a process that then ends."""
    n = 256 if SMOKE else 8192
    code = (
        "import jax, json; from agejax.experiments.describe import peak; "
        f"print(json.dumps({{'device': jax.devices()[0].device_kind, "
        f"'flops': peak('bfloat16', {n})}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=Peer.env(), stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout) | {"cores": os.cpu_count()}


def figures_of(peak):
    """The device and its peak, as text."""
    return (
        f"{peak['device']}, {peak['cores']} cores: {peak['flops'] / 1e12:,.2f} TFLOP/s in a "
        f"bfloat16 matrix product"
    )


if __name__ == "__main__":
    main()
