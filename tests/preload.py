"""What trainings import, done once for all processes that are forked."""

import gc


def preload() -> None:
    """Imports what `launch.py` does at once, and what it leaves until it is needed."""
    import PIL.Image

    import agejax.cli.launch
    import agejax.data.mixture
    import agejax.data.tables.table
    import agejax.experiments.sweep
    import agejax.reports.contact_sheet  # noqa: F401
    import tfds_imdb_wiki.build

    PIL.Image.preinit()
    gc.freeze()  # no child collects, and so copies, all of this
