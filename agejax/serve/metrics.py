"""Metrics of the service in Prometheus' format."""

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_FACES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Metrics of one service, in a registry of its own."""

    def __init__(self):
        """Starts all at zero."""
        to = self._registry = CollectorRegistry()
        self.requests = Counter(
            "agejax_requests",
            "Requests to /predict, by response status",
            ["status"],
            registry=to,
        )
        self.images = Counter(
            "agejax_images",
            "Images, by result",
            ["result"],
            registry=to,
        )
        self.faces = Counter("agejax_faces", "Predicted faces", registry=to)
        self.in_flight = Gauge("agejax_requests_in_flight", "Requests in progress", registry=to)
        self.seconds = Histogram(
            "agejax_request_seconds",
            "Time from a request's headers to its response",
            buckets=_SECONDS,
            registry=to,
        )
        self.batch = Histogram(
            "agejax_batch_faces", "Faces predicted in one batch", buckets=_FACES, registry=to
        )

    def text(self) -> bytes:
        """All metrics, in the format `CONTENT_TYPE`."""
        return prometheus_client.generate_latest(self._registry)
