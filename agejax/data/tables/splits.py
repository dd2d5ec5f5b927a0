"""Assigns splits: the table's own, or by a hash that keeps persons and images together."""

import hashlib

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tfds_imdb_wiki.rows import SPLITS, split_of


def assign(given: np.ndarray, person: np.ndarray, sha256: np.ndarray) -> np.ndarray:
    """The split of each face.

    Faces of one person, and byte-identical images, stay together: 80/10/10 by a hash of their
    common key, independent of the machine and of the order of rows. A face without a split that is
    grouped with one that has a split gets that split. If a table has training faces but no
    validation faces, a tenth of the groups becomes validation.

    Args:
      given: str [N], "" if the table has none.
      person: str [N], "" if not known.
      sha256: str [N], of each image's bytes.

    Returns:
      str [N], "train", "validation" or "test".
    """
    groups, keys = together(person, sha256)
    tenths = np.array([SPLITS.index(_by_hash(key)) for key in keys], np.int8)
    order = {name: i for i, name in enumerate(SPLITS)} | {"": len(SPLITS)}
    own = np.array([order[name] for name in given.tolist()], np.int8)
    if len(keys) and not (own == order["validation"]).any() and (own == order["train"]).any():
        own[(own == order["train"]) & (tenths[groups] == order["validation"])] = order["validation"]
    of_group = np.full(len(keys), order[""], np.int8)
    np.minimum.at(of_group, groups, own)
    of_group = np.where(of_group == order[""], tenths, of_group)
    return np.array(SPLITS)[np.where(own == order[""], of_group[groups], own)]


def _by_hash(key: str) -> str:
    return split_of(hashlib.sha256(key.encode()).hexdigest()[:16])


def together(person: np.ndarray, sha256: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """int [N], the group of each face, and a key for each group, independent of row order."""
    named = np.char.str_len(person) > 0
    people, who = np.unique(person[named], return_inverse=True)
    images, which = np.unique(sha256, return_inverse=True)
    nodes = len(images) + len(people)
    edges = (np.ones(len(who), np.int8), (which[named], len(images) + who))
    _, component = connected_components(coo_array(edges, shape=(nodes, nodes)), directed=False)
    found, group = np.unique(component, return_inverse=True)
    keys = [""] * len(found)
    # The key of a group is its first person or, if no person is known, its image.
    for node, name in [*enumerate(images.tolist()), *enumerate(people.tolist(), len(images))][::-1]:
        keys[group[node]] = f"person {name}" if node >= len(images) else keys[group[node]] or name
    return group[which], keys
