"""torch's side of `steps.py` and `gpu/`: channels_last; on a GPU compiled, in bfloat16."""

import os
import sys

import torch
import torch_nets
from networks import faces
from turns import serve


def main(name, size, batch_size):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    image, labels = faces(int(size), int(batch_size))
    net = getattr(torch_nets, name)(int(size)).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=device == "cuda")
    x = torch.from_numpy(image).to(device).permute(0, 3, 1, 2)  # the memory stays channels_last
    y = [torch.from_numpy(labels[task]).long().to(device) for task in ("age", "gender")]

    def loss_of(x):
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            losses = map(torch.nn.functional.cross_entropy, net(x.float() / 127.5 - 1), y)
            return sum(losses) / 2

    if device == "cuda":
        torch.backends.cudnn.benchmark = True
        # Its default mode unless another is asked for: to autotune takes minutes for each network
        loss_of = torch.compile(loss_of, mode=os.environ.get("TORCH_MODE", "default"))

    def steps(n):
        for _ in range(n):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(x)
            loss.backward()
            optimizer.step()
            if device == "cpu":
                loss.item()
        loss.item()

    serve(steps)


if __name__ == "__main__":
    main(*sys.argv[1:])
