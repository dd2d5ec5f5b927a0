"""Where modules stand that configs of earlier versions name."""

_MOVED = {
    "agejax.train.losses": "agejax.losses.row_losses",
    "agejax.train.balance": "agejax.losses.balance",
    "agejax.train.optim": "agejax.optim",
    "agejax.runtime.pretrained": "agejax.pretrained.start_from",
    "agejax.runtime.tensorboard": "agejax.training.loggers.tensorboard",
    "agejax.runtime.weights_and_biases": "agejax.training.loggers.weights_and_biases",
}


def current_name(name: str) -> str:
    """A callable's "module:name" in this version, from that of any earlier one."""
    module, colon, attribute = name.partition(":")
    return f"{_MOVED.get(module, module)}{colon}{attribute}"
