"""What trainings import, done once for all processes that are forked."""

import gc


def preload() -> None:
    """Imports what `launch.py` does at once, and what it leaves until it is needed."""
    import PIL.Image

    from agejax.cli import launch  # noqa: F401
    from agejax.data import mixture  # noqa: F401
    from agejax.data.tables import table  # noqa: F401
    from agejax.experiments import sweep  # noqa: F401
    from agejax.reports import contact_sheet  # noqa: F401
    from tfds_imdb_wiki import build  # noqa: F401

    PIL.Image.preinit()
    gc.freeze()  # no child collects, and so copies, all of this
