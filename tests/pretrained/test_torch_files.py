"""What torch itself writes."""

import numpy as np
import pytest

from agejax.errors import UserError
from agejax.pretrained.readers import read_weights

torch = pytest.importorskip("torch")


@pytest.fixture(params=["zip", "legacy"])
def saved(request, tmp_path):
    def save(value, **settings):
        path = tmp_path / "weights.pth"
        settings["_use_new_zipfile_serialization"] = request.param == "zip"
        torch.save(value, path, **settings)
        return read_weights(path)

    return save


@pytest.mark.parametrize("protocol", [2, 4])
def test_every_kind_of_tensor(saved, protocol):
    x = torch.randn(4, 6)
    tensors = {
        "float": x,  # the next four share its storage
        "transposed": x.T,
        "corner": x[1:, 2:],
        "strided": x[::2, ::3],
        "parameter": torch.nn.Parameter(x),
        "half": x.half(),
        "bfloat16": x.bfloat16(),
        "double": x.double(),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
        "count": torch.tensor(3),
        "flag": torch.tensor([True, False]),
    }
    arrays = saved(tensors, pickle_protocol=protocol)
    assert arrays.keys() == tensors.keys()
    for name, x in tensors.items():
        x = x.detach()
        expected = x.float().numpy() if x.is_floating_point() else x.numpy()
        assert arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(arrays[name], expected)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_checkpoint_with_an_optimizer_and_prefixes(saved, key):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(2, 3, 5, 5)).sum().backward()
    optimizer.step()
    state = torch.nn.DataParallel(net).state_dict()
    arrays = saved({"epoch": 7, "optimizer": optimizer.state_dict(), key: state, "best": 0.5})
    assert arrays.keys() == net.state_dict().keys()
    np.testing.assert_array_equal(arrays["0.weight"], net[0].weight.detach())
    assert arrays["1.num_batches_tracked"] == 1


def test_a_whole_module_is_refused_with_what_to_do(saved):
    with pytest.raises(UserError, match=r"refers to 'torch\.nn\.modules.* only model\.state_dict"):
        saved(torch.nn.Linear(2, 2))


def test_sparse_tensors_are_refused(saved):
    with pytest.raises(UserError, match=r"refers to 'torch"):
        saved({"a": torch.eye(3).to_sparse()})


def test_what_the_safetensors_package_writes(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    x = torch.randn(2, 3)
    tensors = {"float": x, "half": x.half(), "bfloat16": x.bfloat16(), "count": torch.tensor(3)}
    safetensors.save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    arrays = read_weights(tmp_path / "x.safetensors")
    assert arrays.keys() == tensors.keys()
    for name, x in tensors.items():
        np.testing.assert_array_equal(arrays[name], x.float().numpy())
