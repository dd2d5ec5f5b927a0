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
      request_megapixels: of all images of a request together, in millions.
      seconds: for a request to come in, as many again for its answer, and for that to be read.
      requests: that are worked on, or wait, at the same time.
      held_mib: of the bodies of all these, and of those that still come in, in MiB.
      connections: that are open at the same time.
    """

    mib: float = 32
    images: int = 64
    megapixels: float = 50
    request_megapixels: float = 200
    seconds: float = 30
    requests: int = 1024
    held_mib: float = 512
    connections: int = 2048
