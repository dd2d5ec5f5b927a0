"""The limits of the service."""

import dataclasses

MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of a request, and of all requests together.

    Attributes:
      mib: size of a request's body, in MiB.
      images: number of images in a request.
      megapixels: pixels of an image, in millions.
      request_megapixels: pixels of all images of a request together, in millions.
      seconds: time to receive a request, again to answer it, and again to send the answer.
      requests: number of requests processed or queued at the same time.
      held_mib: size of the bodies of these and of requests being received, in MiB.
      connections: number of open connections.
    """

    mib: float = 32
    images: int = 64
    megapixels: float = 50
    request_megapixels: float = 200
    seconds: float = 30
    requests: int = 1024
    held_mib: float = 512
    connections: int = 2048
