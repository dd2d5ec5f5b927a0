"""A run with a loss that forgives, small-loss selection and the weights of an audit."""

import numpy as np
import pytest

from agejax.errors import UserError
from agejax.evaluation.open_split import open_split
from agejax.losses.robust import noise_rate
from agejax.models.heads import SplineSoftmax
from agejax.training.loop import train

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_it_trains_and_does_not_go_on_with_another_audit(tiny, tmp_path):
    faces, audit = open_split(tiny, "train"), tmp_path / "audit.csv"
    p = np.random.default_rng(0).random(len(faces))
    ages = zip(faces.path, faces.labels["age"], p, strict=True)
    rows = "".join(f"{path},age,{age},{wrong:.3f}\n" for path, age, wrong in ages)
    audit.write_text("path,task,label,p_wrong\n" + rows)
    tiny.data.audit = str(audit)
    tiny.train.update(steps=4, eval_every=2)
    with tiny.unlocked():
        tiny.tasks.age.update(head=SplineSoftmax, loss=noise_rate, drop=0.3, drop_steps=2)
        tiny.tasks.age.loss_args = {"sigma": 2.0, "shares": "training"}
    figures = train(tiny, tmp_path / "run")
    assert np.isfinite(figures["age"]["nll"])
    audit.write_text("path,task,label,p_wrong\n" + rows.replace(",0.5", ",0.4"))
    tiny.train.steps = 6
    with pytest.raises(UserError, match="train has other weight age"):
        train(tiny, tmp_path / "run")
