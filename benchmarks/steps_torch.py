"""torch's side of `steps.py`."""

import sys

import torch
import torch_nets
from networks import faces
from turns import serve


def main(name):
    image, labels = faces(name)
    net = getattr(torch_nets, name)(image.shape[1]).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    x = torch.from_numpy(image).permute(0, 3, 1, 2)  # the memory stays channels_last
    y = [torch.from_numpy(labels[task]).long() for task in ("age", "gender")]

    def steps(n):
        for _ in range(n):
            optimizer.zero_grad(set_to_none=True)
            losses = map(torch.nn.functional.cross_entropy, net(x.float() / 127.5 - 1), y)
            loss = sum(losses) / 2
            loss.backward()
            optimizer.step()
            loss.item()

    serve(steps)


if __name__ == "__main__":
    main(sys.argv[1])
