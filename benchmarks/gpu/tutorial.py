"""How long the tutorial's 200,000 steps of batch 16 would take, projected from 2,000.

In bfloat16, one step per call and twenty, beside torch; the bar is ten minutes.
"""

import statistics

from figures import SMOKE, Figures
from speed import TORCH
from turns import Peer

STEPS = 200_000
SIZE, N, ROUNDS = (32, 2, 1) if SMOKE else (224, 400, 5)


def main():
    figures = Figures("tutorial")
    shape = ("tutorial_cnn", str(SIZE), "16")
    for k in (2,) if SMOKE else (20, 1):
        command = ("steps_agejax.py", *shape, "--dtype", "bfloat16", "--steps-per-call", str(k))
        project(figures, f"agejax, {k} steps per call", Peer(*command), k)
    if TORCH and not SMOKE:
        project(figures, "torch", Peer("steps_torch.py", *shape), 10)


def project(figures, side, peer, warm_up):
    peer.seconds(warm_up)
    times = [peer.seconds(N) / N for _ in range(ROUNDS)]
    peer.close()
    minutes = statistics.median(times) * STEPS / 60
    figures.write(side, {"minutes": minutes, "seconds_per_step": times, "size": SIZE})
    figures.line(f"tutorial_cnn, {SIZE} px, {side}: 200,000 steps would take {minutes:.1f} minutes")


if __name__ == "__main__":
    main()
