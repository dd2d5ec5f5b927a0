"""The service's numbers, in Prometheus' format."""

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_FACES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """What the service counts; a registry of its own, so that two services do not meet."""

    def __init__(self):
        """All at zero."""
        to = self._registry = CollectorRegistry()
        self.requests = Counter(
            "agejax_requests",
            "Requests to /predict, by the status of their answer",
            ["status"],
            registry=to,
        )
        self.images = Counter(
            "agejax_images",
            "Images, by whether they were read",
            ["result"],
            registry=to,
        )
        self.faces = Counter("agejax_faces", "Faces that were predicted", registry=to)
        self.in_flight = Gauge("agejax_requests_in_flight", "Requests worked on", registry=to)
        self.seconds = Histogram(
            "agejax_request_seconds",
            "From a request's head to its answer",
            buckets=_SECONDS,
            registry=to,
        )
        self.batch = Histogram(
            "agejax_batch_faces", "Faces that were predicted together", buckets=_FACES, registry=to
        )

    def text(self) -> bytes:
        """All of them, as `CONTENT_TYPE` says."""
        return prometheus_client.generate_latest(self._registry)
