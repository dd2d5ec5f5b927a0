"""A service on a free port of this machine."""

import contextlib
import threading

import pytest


@pytest.fixture(scope="session")
def serving(run):
    """A context: `with serving(**limits) as port`."""
    pytest.importorskip("starlette", reason="needs the extra 'serve'")
    pytest.importorskip("uvicorn", reason="needs the extra 'serve'")
    import socket

    import agejax
    from agejax.serve.app import Service
    from agejax.serve.connections import server_of
    from agejax.serve.limits import Limits

    @contextlib.contextmanager
    def start(cors=(), thresholds=None, **limits):
        predictor = agejax.load(run, batch_size=(1, 16), margin=0.34, thresholds=thresholds)
        service = Service(predictor, Limits(**limits), cors)
        with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
            server = server_of(service.app, service.limits)
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            try:
                yield listener.getsockname()[1]
            finally:
                server.should_exit = True
                thread.join()
                service.close()

    return start
