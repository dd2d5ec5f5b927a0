"""agejax: age and gender from a face crop, in JAX.

`agejax.load(path)` gives a trained model back from its checkpoint folder alone.
"""

from importlib.metadata import version as _version

from agejax.errors import UserError as UserError

__version__ = _version("agejax")


def load(path, checkpoint="best", **settings):
    """A `Predictor` from a run or checkpoint folder; see `agejax.inference.predictor.load`."""
    from agejax.inference.predictor import load  # keeps `import agejax` free of JAX

    return load(path, checkpoint, **settings)
