"""The peer of configs/efficientnet_lite0.py: a plain torch fine-tune of the same weights.

    python benchmarks/torch_recipe.py --manual_dir DIR --out runs/torch-0 [--seed 0] [--epochs 8]

It uses the same faces, splits and weights: crops of 112 pixels out of 124, flips, brightness,
batches of 64, AdamW with a one-cycle rate up to 1.5e-3, an average of weights with decay 0.998, and
label distributions of standard deviation 2. The epoch with the lowest validation MAE of the median
predicts both splits, to OUT/eval/SPLIT.npz in agejax's format, for `agejax compare`.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import timm
import torch
from torch.nn.functional import cross_entropy, log_softmax

from agejax.data.decode import decode
from agejax.data.imdb_wiki import imdb_wiki
from agejax.labels import median_age
from agejax.pretrained.start_from import efficientnet_lite0_imagenet

SIZE, CROP, BATCH = 124, 112, 64


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        trunk = timm.create_model("tf_efficientnet_lite0")
        weights = torch.load(efficientnet_lite0_imagenet(), weights_only=True)
        names = zip(trunk.state_dict(), weights.values(), strict=True)  # in the same order
        trunk.load_state_dict(dict(names))
        trunk.reset_classifier(0)
        self.trunk, self.dropout = trunk, torch.nn.Dropout(0.2)
        self.age, self.gender = torch.nn.Linear(1280, 101), torch.nn.Linear(1280, 2)

    def forward(self, x):
        x = self.dropout(self.trunk(x.contiguous(memory_format=torch.channels_last) / 127.5 - 1))
        return self.age(x), self.gender(x)


def pixels(faces):
    with ThreadPoolExecutor(2) as pool:
        jpegs = faces.read(faces.rows)
        rows = pool.map(lambda jpeg: decode(jpeg, SIZE), jpegs)
        return torch.from_numpy(np.stack(list(rows))).permute(0, 3, 1, 2)


def batch_of(images, rows, rng):
    """Random crops, flips and brightness."""
    crops = []
    for row in rows:
        y, x = rng.integers(0, SIZE - CROP + 1, 2)
        crop = images[row, :, y : y + CROP, x : x + CROP].float()
        crop = crop.flip(2) if rng.random() < 0.5 else crop
        crops.append((crop * rng.uniform(0.8, 1.2)).clamp(0, 255))
    return torch.stack(crops)


@torch.no_grad()
def read(net, images):
    net.eval()
    margin = (SIZE - CROP) // 2
    images = images[:, :, margin : margin + CROP, margin : margin + CROP]
    parts = [net(part.float()) for part in images.split(256)]
    return [torch.cat(logits).softmax(1).numpy() for logits in zip(*parts, strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manual_dir", required=True)
    parser.add_argument("--data_dir", default=None)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    source = {"manual_dir": args.manual_dir, "data_dir": args.data_dir}
    train = imdb_wiki("train", **source)
    held = {split: imdb_wiki(split, **source).without(train) for split in ("validation", "test")}
    images, ages, genders = pixels(train), *(train.labels[task] for task in ("age", "gender"))
    shown = {split: pixels(faces) for split, faces in held.items()}

    net = Net().to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    optimizer = torch.optim.AdamW(net.parameters(), 1.5e-3, weight_decay=0.01)
    steps = len(train) // BATCH
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.5e-3, args.epochs * steps)
    grid = torch.arange(101.0)
    best, start = np.inf, time.perf_counter()
    for epoch in range(1, args.epochs + 1):
        net.train()
        for rows in rng.permutation(len(train))[: steps * BATCH].reshape(steps, BATCH):
            age, gender = net(batch_of(images, rows, rng))
            true = torch.from_numpy(ages[rows]).float()[:, None]
            target = (-((grid - true) ** 2) / (2 * 2.0**2)).softmax(1)
            of_age = -(target * log_softmax(age, 1)).sum(1).mean()
            loss = (of_age + cross_entropy(gender, torch.from_numpy(genders[rows]).long())) / 2
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            rate.step()
            average.update_parameters(net)
        age, gender = read(average, shown["validation"])
        mae = np.abs(median_age(age) - held["validation"].labels["age"]).mean()
        minutes = (time.perf_counter() - start) / 60
        print(f"epoch {epoch}: validation MAE {mae:.2f}, {minutes:.0f} minutes", flush=True)
        if mae < best:
            best = mae
            write(args.out, "validation", held["validation"], age, gender)
            write(args.out, "test", held["test"], *read(average, shown["test"]))


def write(folder, split, faces, age, gender):
    file = folder / "eval" / f"{split}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        file,
        path=faces.path,
        age_label=faces.labels["age"],
        gender_label=faces.labels["gender"],
        age_probabilities=age,
        gender_probabilities=gender,
    )


if __name__ == "__main__":
    main()
