"""The service's throughput: concurrent requests, and many images per request, versus one by one.

    python benchmarks/serve.py [--rounds 5] [--images 512] [--clients 32] [configs/small.py]

A child process serves a config's model with random weights on 127.0.0.1; this process is the
client. Three modes alternate: one image per request, one request at a time, on one connection; the
same from `--clients` concurrent connections; and 32 images per request. Above 1, a mode is faster
than one by one.
"""

import argparse
import http.client
import io
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from turns import Peer, ratio, versions

A_REQUEST = 32  # images


def child(config):
    from predict_agejax import predictor

    from agejax.serve.app import Service, serve
    from agejax.serve.limits import Limits

    service = Service(predictor(config, [2**i for i in range(7)]), Limits())
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(listener.getsockname()[1], flush=True)
        serve(service, listener)


def jpeg():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((200, 200), Image.Resampling.BICUBIC).save(out, "JPEG")
    return out.getvalue()


def ask(connection, body, kind="image/jpeg"):
    connection.request("POST", "/predict", body, {"Content-Type": kind})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"error: the service answered {answer.status}: {text.decode()}")


def one_by_one(port, image, n):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(n):
        ask(connection, image)


def at_once(port, image, n, clients):
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda _: one_by_one(port, image, n // clients), range(clients)))


def many_in_one(port, image, n):
    part = (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + image + b"\r\n"
    )
    body = part * A_REQUEST + b"--x--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(n // A_REQUEST):
        ask(connection, body, "multipart/form-data; boundary=x")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=512, help="per peer and round")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument(
        "config", nargs="?", default="configs/small.py", help="config of the network"
    )
    args = parser.parse_args()
    if args.images % args.clients or args.images % A_REQUEST:
        parser.error(f"--images must be a multiple of --clients and of {A_REQUEST}")
    image = jpeg()
    ways = {
        "one by one": lambda port: one_by_one(port, image, args.images),
        f"{args.clients} clients at once": lambda port: at_once(
            port, image, args.images, args.clients
        ),
        f"{A_REQUEST} images a request": lambda port: many_in_one(port, image, args.images),
    }
    command = [sys.executable, __file__, "child", args.config]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=Peer.env()) as process:
        port = int(process.stdout.readline())
        for way in ways.values():  # a warm-up of each
            way(port)
        times = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                way(port)
                times[name].append(time.perf_counter() - start)
        process.terminate()
    print(versions("jax", "starlette", "uvicorn"), args.config, sep="; ")
    print("way                      one by one / this      median images a second")
    for name, taken in times.items():
        rate = args.images / statistics.median(taken)
        print(f"{name:24} {ratio(times['one by one'], taken):21} {rate:8,.0f}")


if __name__ == "__main__":
    child(*sys.argv[2:]) if sys.argv[1:2] == ["child"] else main()
