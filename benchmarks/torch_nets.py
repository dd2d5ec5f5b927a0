"""The networks of `agejax.models` in idiomatic torch: the peers of `steps.py`."""

import torch
from torch import nn


class Heads(nn.Module):
    def __init__(self, trunk: nn.Module, features: int, hidden: int = 0):
        super().__init__()
        self.trunk = trunk
        layer = lambda n: (
            nn.Sequential(nn.Linear(features, hidden), nn.Linear(hidden, n))
            if hidden
            else nn.Linear(features, n)
        )
        self.age, self.gender = layer(101), layer(2)

    def forward(self, x):
        x = self.trunk(x)
        return self.age(x), self.gender(x)


def tutorial_cnn(size):
    layers, channels = [], 3
    for width, rate in ((32, 0.2), (64, 0.4), (128, 0.7)):
        layers += [nn.Conv2d(channels, width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Dropout(rate)]
        channels = width
    layers += [nn.Flatten(), nn.Linear((size // 8) ** 2 * 128, 1024), nn.ReLU(), nn.Dropout(0.4)]
    return Heads(nn.Sequential(*layers), 1024, hidden=1024)


def conv_norm(i, o, k, stride=1, groups=1, act=None):
    conv = nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(o)] + ([act(inplace=True)] if act else [])


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def small_cnn(size):
    layers, channels = [], 3
    for i, (width, depth) in enumerate(((32, 1), (64, 2), (128, 2), (256, 2))):
        layers += [nn.MaxPool2d(2)] if i else []
        for _ in range(depth):
            layers += conv_norm(channels, width, 3, 2 if channels == 3 else 1, act=nn.ReLU)
            channels = width
    return Heads(nn.Sequential(*layers, Mean(), nn.Dropout(0.3)), channels)


class Residual(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body, self.shortcut = nn.Sequential(*body), shortcut

    def forward(self, x):
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))


def resnet18(size):
    layers = [*conv_norm(3, 64, 7, 2, act=nn.ReLU), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for i, j in ((i, j) for i in range(4) for j in range(2)):
        stride, width = 2 if i and not j else 1, 64 * 2**i
        body = conv_norm(channels, width, 3, stride, act=nn.ReLU) + conv_norm(width, width, 3)
        plain = stride == 1 and channels == width
        shortcut = None if plain else nn.Sequential(*conv_norm(channels, width, 1, stride))
        layers += [Residual(body, shortcut), nn.ReLU(inplace=True)]
        channels = width
    return Heads(nn.Sequential(*layers, Mean()), channels)


def efficientnet_lite0(size):
    # expansion, width, depth, stride, kernel
    blocks = [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3)]
    blocks += [(6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]
    layers, channels = conv_norm(3, 32, 3, 2, act=nn.ReLU6), 32
    for expand, width, depth, stride, k in blocks:
        for j in range(depth):
            inner, s = channels * expand, 1 if j else stride
            body = conv_norm(channels, inner, 1, act=nn.ReLU6) if expand > 1 else []
            body += conv_norm(inner, inner, k, s, groups=inner, act=nn.ReLU6)
            body += conv_norm(inner, width, 1)
            same = s == 1 and channels == width
            layers.append(Residual(body) if same else nn.Sequential(*body))
            channels = width
    layers += conv_norm(channels, 1280, 1, act=nn.ReLU6)
    return Heads(nn.Sequential(*layers, Mean(), nn.Dropout(0.2)), 1280)


class FaceBlock(nn.Module):
    """dlib's residual block: its shortcut has no weights."""

    def __init__(self, i, o, down):
        super().__init__()
        self.down, self.more = down, o - i
        self.first = Affine(i, o, 3, 2 if down else 1, 0 if down else 1)
        self.second = Affine(o, o, 3, 1, 1)

    def forward(self, x):
        if self.down:  # if the map is smaller than the filters
            x = padded(x, 3, 3)
        y = self.second(self.first(x).relu())
        if self.down:
            x = nn.functional.avg_pool2d(x, 2)
        h, w = (max(a, b) for a, b in zip(x.shape[2:], y.shape[2:], strict=True))
        x = nn.functional.pad(padded(x, h, w), (0, 0, 0, 0, 0, self.more))
        return (x + padded(y, h, w)).relu()


class Affine(nn.Module):
    """A convolution with a scale and a bias for each filter, the scale in its weights."""

    def __init__(self, i, o, k, stride, padding):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, stride, padding)
        self.scale = nn.Parameter(torch.ones(o, 1, 1, 1))

    def forward(self, x):
        weight = self.conv.weight * self.scale
        at = {"stride": self.conv.stride, "padding": self.conv.padding}
        return nn.functional.conv2d(x, weight, self.conv.bias, **at)


def padded(x, h, w):
    """Zeros at the right and below, up to at least `h` times `w`."""
    return nn.functional.pad(x, (0, max(0, w - x.shape[3]), 0, max(0, h - x.shape[2])))


def face_resnet(size):
    layers, channels = [Affine(3, 32, 7, 2, 0), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)], 32
    for stage, (width, depth) in enumerate(((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))):
        for j in range(depth):
            layers.append(FaceBlock(channels, width, down=stage > 0 and j == 0))
            channels = width
    return Heads(nn.Sequential(*layers, Mean(), nn.Dropout(0.2)), channels)


def resnet50(size):
    import torchvision

    net = torchvision.models.resnet50()
    net.fc = nn.Identity()
    return Heads(net, 2048)


def vgg16(size):
    import torchvision

    net = torchvision.models.vgg16()
    net.classifier[-1] = nn.Identity()
    return Heads(net, 4096)


def vit_s16(size):
    import timm

    return Heads(timm.create_model("vit_small_patch16_224", img_size=size, num_classes=0), 384)
