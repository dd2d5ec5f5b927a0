"""How long a save blocks training, compared with Orbax's AsyncCheckpointer.

    python benchmarks/background_save.py [--rounds 5] [--network resnet50]

ResNet-50's training state, 263 MB, is saved during training. "held" is the duration of the call
until the next step can start, and its share of a minute. "in all" is how much longer steps with a
save take than the same steps without, until all data is on disk: on a CPU, hashing and writing use
cores that the steps need. agejax writes a manifest of hashes and calls fsync, Orbax does not.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from networks import NETWORKS
from turns import Peer, ratio, serve, versions

HELD, SAVED, PLAIN = range(3)  # kinds of work of a peer
STEPS = 8


def agejax(folder):
    from agejax.checkpoints.async_save import Saving
    from agejax.checkpoints.checkpoint import Checkpoints

    saving = Saving(Checkpoints(folder))
    return lambda state: saving.save(state, "{}", 5.0), saving.wait


def orbax(folder):
    import orbax.checkpoint as ocp

    from agejax.checkpoints.items import items_of

    handlers = {name: ocp.StandardCheckpointHandler() for name in ("weights", "training")}
    checkpointer = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler(**handlers))

    def save(state):
        saves = {name: ocp.args.StandardSave(tree) for name, tree in items_of(state).items()}
        checkpointer.save(folder / "0", args=ocp.args.Composite(**saves))

    return save, checkpointer.wait_until_finished


def child(name, network, folder):
    import jax
    from steps_agejax import prepare

    train_step, state, batch = prepare(network, 64, 8)
    save, wait = globals()[name](Path(folder, name))

    def steps(n):
        nonlocal state
        for _ in range(n):
            state, loss = train_step(state, batch, None)
            loss.block_until_ready()

    def before(what):
        wait()
        shutil.rmtree(Path(folder, name), ignore_errors=True)
        Path(folder, name, "checkpoints").mkdir(parents=True)
        steps(2)
        jax.block_until_ready(state)

    def work(what):
        if what != PLAIN:
            save(state)
        if what != HELD:
            steps(STEPS)
            wait()

    serve(work, before)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--network", default="resnet50", help=", ".join(NETWORKS))
    parser.add_argument("--folder", help="folder on the measured disk (default: temporary)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        peers = [
            Peer("background_save.py", "child", name, args.network, folder)
            for name in ("agejax", "orbax")
        ]
        rounds = [
            [[peer.seconds(what) for what in (HELD, SAVED, PLAIN)] for peer in peers]
            for _ in range(args.rounds + 1)
        ][1:]  # the first is the warm-up
        for peer in peers:
            peer.close()
    ours, theirs = zip(*rounds, strict=True)
    print(versions("jax", "orbax-checkpoint"))
    print("save      Orbax / agejax          median seconds: agejax, Orbax; share of a minute")
    for name, of in (
        ("held", lambda times: times[HELD]),
        ("in all", lambda times: times[SAVED] - times[PLAIN]),
    ):
        mine, other = [list(map(of, side)) for side in (ours, theirs)]
        seconds = [statistics.median(side) for side in (mine, other)]
        shown = ratio(other, mine) if name == "held" else ""
        print(f"{name:9} {shown:23} {seconds[0]:7.3f} {seconds[1]:7.3f} {seconds[0] / 60:7.2%}")


if __name__ == "__main__":
    child(*sys.argv[2:]) if sys.argv[1:2] == ["child"] else main()
