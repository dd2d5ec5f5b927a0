"""A headless Chromium, told what to do over a pipe in its DevTools protocol."""

import base64
import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
import time

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


class Chromium:
    """One page in a browser of its own."""

    def __init__(self, profile, *switches):
        ours, theirs = os.pipe(), os.pipe()  # it reads from descriptor 3 and writes to 4
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        command += ["--remote-debugging-pipe", f"--user-data-dir={profile}", *switches]
        shell = f'exec 3<&{ours[0]} 4>&{theirs[1]}; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *command, "about:blank"],
            pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._to, self._from = os.fdopen(ours[1], "wb"), os.fdopen(theirs[0], "rb")
        self._count, self._rest = 0, b""
        self.events = []
        target = self("Target.getTargets")["targetInfos"][0]["targetId"]
        attached = self("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "DOM"):
            self(f"{domain}.enable")

    _session = None

    def __call__(self, method, **params):
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            told = self._next()
            if told.get("id") == self._count:
                assert "error" not in told, (method, told["error"])
                return told["result"]
            self.events.append(told)

    def _next(self):
        while b"\0" not in self._rest:
            part = os.read(self._from.fileno(), 1 << 20)
            assert part, "the browser is gone"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def js(self, expression):
        """The value of an expression, waited for where it is a promise."""
        told = self(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, expression, seconds=60):
        """Until an expression holds."""
        until = time.monotonic() + seconds
        while not self.js(f"!!({expression})"):
            shown = self.js("document.body.innerText")
            assert time.monotonic() < until, f"never came true: {expression}; {shown}"
            time.sleep(0.05)

    def size(self, width, height=900):
        self(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    def drop(self, files, x=200, y=300):
        """Drops files from outside."""
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def screenshot(self, file):
        shot = self("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(shot))

    def complaints(self):
        """Script errors, and what the page wrote to the console as one."""
        self.js("0")
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"])
            if event.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
                found.append(params["args"])
        return found

    def asked(self):
        """The addresses of all that was asked for."""
        self.js("0")
        sent = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self("Browser.close")
        self._to.close()
        self._from.close()
        self._process.wait(20)


@contextlib.contextmanager
def served(folder):
    """A web server for a folder on this machine: (its address, the paths asked of it)."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            thread.join()
