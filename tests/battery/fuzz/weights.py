"""Published weights of every kind, mutated: read or refused, in time and memory of the file's size.

A third are pickles made up of the instructions that are known: tuples of tuples, calls and storages
of anything, all of it again and again by the memo.
"""

import resource
import time

from agejax.errors import UserError
from agejax.pretrained.readers import read_weights
from tests.battery.fuzz.mutate import damaged, one_of
from tests.pretrained.test_dlib import network
from tests.pretrained.test_readers import KINDS, literal, torch_legacy, torch_zip

SECONDS, PER_BYTE = 1.0, 20e-6  # of the processor's, for any file, and for each of its bytes
MIB = 64  # more than before; the files have a few KiB

PUSH = (b")", b"}", b"]", b"(", b"N", b"\x88", b"K\x01", b"J\xff\xff\xff\x7f")
PUSH += tuple(map(literal, ("a", "storage", "state_dict", (2, 3), ["0"])))
PUSH += (b"ctorch\nFloatStorage\n", b"ctorch\nSize\n", b"ccollections\nOrderedDict\n")
PUSH += (b"ctorch._utils\n_rebuild_tensor_v2\n", b"\x8a\x0a" + b"\x7f" * 10)
TAKE = (b"t", b"\x85", b"\x86", b"\x87", b"a", b"e", b"s", b"u", b"R", b"Q", b"\x93", b"b")


def program(rng) -> bytes:
    """Instructions of the known kinds in any order, many of them doubling what there is."""
    parts, kept = [b"\x80\x02"], 0
    for _ in range(int(rng.integers(5, 80))):
        match int(rng.integers(0, 5)):
            case 0 | 1:
                parts.append(one_of(rng, PUSH))
            case 2:
                parts.append(one_of(rng, TAKE))
            case 3 if kept:  # a tuple of the one before it, twice, and so on
                for _ in range(one_of(rng, (1, 60))):
                    parts.append(2 * memo(b"j", kept - 1) + b"\x86" + memo(b"r", kept) + b"b")
                    kept += 1
                parts.append(memo(b"j", kept - 1))
            case _:
                parts.append(one_of(rng, PUSH) + memo(b"r", kept))
                kept += 1
    return b"".join([*parts, one_of(rng, TAKE), b"."])


def memo(instruction: bytes, number: int) -> bytes:
    return instruction + number.to_bytes(4, "little")


def prepare(folder):
    file = folder / "weights"
    whole = [make() for make in (*KINDS.values(), network)]

    def made(rng) -> bytes:
        if rng.random() < 0.35:
            wrap = one_of(rng, (torch_zip, torch_legacy, bytes))
            return wrap(program(rng))
        data = one_of(rng, whole)
        return damaged(data, rng, head=300)

    def case(rng):
        data = made(rng)
        file.write_bytes(data)
        before = resource.getrusage(resource.RUSAGE_SELF)
        start = time.process_time()
        try:
            read_weights(file)
            return "read"
        except UserError as error:
            return "refused" if len(str(error).splitlines()) == 1 else "refused in many lines"
        finally:
            seconds = time.process_time() - start
            after = resource.getrusage(resource.RUSAGE_SELF)
            assert seconds < SECONDS + PER_BYTE * len(data), seconds
            assert after.ru_maxrss - before.ru_maxrss < MIB << 10

    return case
