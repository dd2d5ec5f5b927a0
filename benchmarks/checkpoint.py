"""Time to save and restore a training state, compared with Orbax and an fsync of the same files.

    python benchmarks/checkpoint.py [--rounds 5] [--trunk agejax.models.resnet:ResNet50]

The state is that of a model of 24 million weights with Adam's moments, 263 MB. agejax writes a
manifest with the hash of every file, calls fsync, and verifies what it restores. Orbax saves and
restores the same trees by the same handlers, followed by an fsync of its files and folders;
separate lines give the times without fsync. Restored files are in the page cache on both sides. A
ratio is agejax's time over the peer's; the target is at most 1.3.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from turns import Peer, ratio, serve, versions

SAVE, SAVE_UNSYNCED, FSYNC, RESTORE = range(4)  # kinds of work of a peer


def prepare(trunk):
    """A training state on its devices, and its config."""
    import jax
    import jax.numpy as jnp

    from agejax import config as configs
    from agejax.distributed.mesh import make_mesh, replicated
    from agejax.steps.model_factory import make_model
    from agejax.steps.step import init_state
    from agejax.steps.step_factory import train_step_of

    config = configs.default()
    configs.update(config, {"model.trunk": trunk})
    graph, weights = make_model(config)
    optimizer, _ = train_step_of(config, graph)
    state = init_state(graph, weights, optimizer, ema=False)
    # Adam's first moments are zero, which Orbax would compress to almost nothing.
    noise = lambda x: jax.random.normal(jax.random.key(x.size), x.shape, x.dtype)
    floats = lambda x: jnp.issubdtype(x.dtype, jnp.floating)
    state["opt"] = jax.tree.map(lambda x: noise(x) if floats(x) else x, state["opt"])
    return jax.device_put(state, replicated(make_mesh())), configs.to_json(config)


def agejax(folder, state, config):
    from agejax.checkpoints.checkpoint import Checkpoints
    from agejax.utils import atomic_write

    sync = atomic_write._sync

    def save_unsynced():
        atomic_write._sync = lambda path, flags: None
        save()
        atomic_write._sync = sync

    def save():
        Checkpoints(folder).save(state, config, 5.0)

    def restore():
        checkpoints = Checkpoints(folder, read_only=True)
        return checkpoints.state(checkpoints.latest(), like=state)

    return {SAVE: save, SAVE_UNSYNCED: save_unsynced, RESTORE: restore}


def orbax(folder, state, config):
    import jax
    import orbax.checkpoint as ocp

    from agejax.checkpoints.items import items_of

    parts = items_of(state)
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, parts)
    handlers = {name: ocp.StandardCheckpointHandler() for name in parts}

    def save():
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler(**handlers)) as checkpointer:
            saves = {name: ocp.args.StandardSave(tree) for name, tree in parts.items()}
            checkpointer.save(folder / "0", args=ocp.args.Composite(**saves))

    def fsync():
        for inside, _, names in os.walk(folder, topdown=False):
            for path in [*(Path(inside, name) for name in names), inside]:
                descriptor = os.open(path, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)

    def restore():
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler(**handlers)) as checkpointer:
            reads = {name: ocp.args.StandardRestore(tree) for name, tree in abstract.items()}
            restored = checkpointer.restore(folder / "0", args=ocp.args.Composite(**reads))
            return {name: restored[name] for name in reads}

    return {SAVE: save, SAVE_UNSYNCED: save, FSYNC: fsync, RESTORE: restore}


def child(name, trunk, folder):
    import jax

    workdir = Path(folder, name)
    does = globals()[name](workdir, *prepare(trunk))

    def work(what):
        jax.block_until_ready(does[what]())

    def cleared():
        shutil.rmtree(workdir, ignore_errors=True)
        os.sync()

    serve(work, before=lambda what: cleared() if what in (SAVE, SAVE_UNSYNCED) else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trunk", default="agejax.models.resnet:ResNet50")
    parser.add_argument("--folder", help="folder on the measured disk (default: temporary)")
    args = parser.parse_args()
    times = {"save and fsync": [], "save": [], "fsync alone": [], "restore": []}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        ours, theirs = (
            Peer("checkpoint.py", "child", name, args.trunk, folder) for name in ("agejax", "orbax")
        )
        for _ in range(args.rounds + 1):
            unsynced = ours.seconds(SAVE_UNSYNCED), theirs.seconds(SAVE_UNSYNCED)
            mine, bare, synced = ours.seconds(SAVE), theirs.seconds(SAVE), theirs.seconds(FSYNC)
            times["save and fsync"].append((mine, bare + synced))
            times["save"].append(unsynced)
            times["fsync alone"].append((mine - unsynced[0], synced))
            times["restore"].append((ours.seconds(RESTORE), theirs.seconds(RESTORE)))
        for peer in (ours, theirs):
            peer.close()
        size = sum(file.stat().st_size for file in Path(folder, "orbax").rglob("*"))
    print(versions("jax", "orbax-checkpoint"), f"{size / 1e6:,.0f} MB", sep="; ")
    print("work             agejax / Orbax          median seconds: agejax, Orbax")
    for work, pairs in times.items():
        mine, theirs = zip(*pairs[1:], strict=True)  # the first is the warm-up
        seconds = [f"{statistics.median(t):7.2f}" for t in (mine, theirs)]
        shown = "" if work == "fsync alone" else ratio(mine, theirs)
        print(f"{work:16} {shown:23}", *seconds)


if __name__ == "__main__":
    child(*sys.argv[2:]) if sys.argv[1:2] == ["child"] else main()
