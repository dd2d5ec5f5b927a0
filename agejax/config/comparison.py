"""The settings in which two configs describe different runs."""

from collections.abc import Iterator
from typing import Any

from ml_collections import ConfigDict

from agejax.config.keys import flat
from agejax.config.serialization import plain

# What a resumed run may change; any other change would make it a different run.
_FREE = (
    *("mode.", "profile.", "writers.", "eval."),
    *("train.steps.", "train.log_every.", "train.eval_every."),
    *("train.deterministic.", "train.keep_memory.", "data.manual_dir.", "data.data_dir."),
    *("data.workers.", "data.cache_mib.", "data.cache_dir.", "data.device_mib.", "data.root."),
    *("data.max_unreadable.", "train.skip_nonfinite.", "train.fsdp_above."),
    *("train.sigterm_code.", "train.sigint_code."),
    "data.margin.",  # used at prediction only
    "data.allow_changed.",
)


def differences(ours: ConfigDict, theirs: ConfigDict) -> Iterator[str]:
    """A line for each setting in which two configs describe different runs."""
    for key, a, b in changes(ours, theirs):
        yield f"config.{key} was {b!r} and is now {a!r}"


def changes(ours: ConfigDict, theirs: ConfigDict) -> Iterator[tuple[str, Any, Any]]:
    """(key, ours, theirs) of the settings in which two configs describe different runs."""
    a, b = (dict(flat(plain(config))) for config in (ours, theirs))
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key) and not _is_free(key):
            yield key, a.get(key), b.get(key)


def _is_free(key: str) -> bool:
    if key.startswith("data.sets."):  # the location of a set does not matter
        return key.endswith((".manual_dir", ".data_dir", ".root"))
    return f"{key}.".startswith(_FREE)
