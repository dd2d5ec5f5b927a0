"""The `config.json` of a run and of its checkpoints, as a command that opens it reads it."""

import copy
import json

from agejax import config as configs
from agejax.checkpoints.run_dir import of_the_run
from agejax.config import validation
from agejax.steps.model_factory import abstract_model
from agejax.steps.step_factory import train_step_of
from tests.battery.fuzz.mutate import damaged, odd, one_of
from tests.tiny import get_config

VALUES = (
    *(
        None,
        True,
        0,
        -1,
        1,
        3,
        10**30,
        1e308,
        -1e308,
        float("nan"),
        float("inf"),
        0.5,
        1e-9,
        [],
        {},
    ),
    *(
        [1],
        [[1]],
        [None],
        {"a": 1},
        ["x"],
        "agejax.models.cnn:SmallCNN",
        "agejax.losses.row_losses:l1",
    ),
)


def prepare(folder):
    good = json.loads(configs.to_json(get_config()))
    (folder / "checkpoints").mkdir()

    def case(rng):
        tree = json.loads(json.dumps(good))
        for _ in range(int(rng.integers(0, 4))):
            distort(tree, rng)
        data = json.dumps(tree, indent=2).encode()
        if rng.random() < 0.4:
            data = damaged(data, rng, head=len(data))
        (folder / "config.json").write_bytes(data)
        config = of_the_run(folder, {})
        validation.check(config)
        validation.check_source(config)
        configs.to_json(config)
        if rng.random() < 0.1:
            graph, _ = abstract_model(config)
            train_step_of(config, graph)
        return "read"

    return case


def distort(tree, rng):
    """Changes, removes or renames a value somewhere in it."""
    while True:
        key = one_of(rng, list(tree))
        if not (isinstance(tree[key], dict) and tree[key] and rng.random() < 0.95):
            break
        tree = tree[key]
    match int(rng.integers(0, 5)):
        case 0:
            tree.pop(key)
        case 1:
            tree[odd(rng)] = tree.pop(key)
        case 2:
            tree[key] = odd(rng)
        case _:
            tree[key] = copy.deepcopy(one_of(rng, VALUES))
    if not tree:
        tree["x"] = 1
