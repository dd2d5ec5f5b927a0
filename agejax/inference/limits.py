"""What the service may be asked for."""

import dataclasses

MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may ask for, and all of them together.

    Attributes:
      mib: of a request's body, in MiB.
      images: in a request.
      megapixels: of an image, in millions.
      seconds: for a request to come in, and as many again for its answer.
      requests: that are worked on, or wait, at the same time.
      held_mib: of the bodies of all these, in MiB.
    """

    mib: float = 32
    images: int = 64
    megapixels: float = 50
    seconds: float = 30
    requests: int = 1024
    held_mib: float = 512
