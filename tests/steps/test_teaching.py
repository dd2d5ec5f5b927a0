"""A train step that learns from a teacher."""

import functools

import flax.nnx as nnx
import jax
import numpy as np
import pytest

from agejax import config as configs
from agejax.distributed.mesh import put_batch, put_whole, replicated
from agejax.metrics.calibration import Calibration, calibrated
from agejax.models.ensemble import Ensemble
from agejax.models.multitask import MultiTask
from agejax.models.structure import split_model
from agejax.optim import make_optimizer
from agejax.steps.augment import augment, mirrored, mixup
from agejax.steps.step import init_state, make_predict_step, make_train_step
from agejax.steps.teaching import in_common, teaching_of
from tests.steps.test_step import TASKS, Linear, assert_close, batch, linear_model

pytestmark = pytest.mark.usefixtures("quick_compilation")

IMAGES = batch(seed=9)["image"]
CALIBRATION = Calibration({"age": 0.5, "gender": 2.0}, offset={"gender": [0.0, 1.0]})


def config(size=8, **distil):
    made = configs.default()
    made.data.size = size
    made.augment.flip = False
    made.distil.update(**distil)
    return made


def network(seed):
    rngs = nnx.Rngs(seed)
    return MultiTask(Linear(rngs=rngs), {"age": 101, "gender": 2}, rngs=rngs)


def teacher():
    """Another network of the same kind, that is sure of what it says."""
    graph, weights = split_model(network(7))
    weights["params"]["heads"] = jax.tree.map(lambda x: 5 * x, weights["params"]["heads"])
    return graph, weights


def eight():
    theirs = configs.default()
    theirs.data.size = 8
    return theirs


def teaching(config, theirs=None, calibration=CALIBRATION):
    theirs = theirs or eight()
    return teaching_of(config, theirs, teacher()[0], calibration, in_common(config, theirs))


def targets(of, images=IMAGES, weights=None):
    keys = jax.random.split(jax.random.key(0))
    return jax.device_get(jax.jit(of.targets)(weights or teacher()[1], *keys, images))


def divergence(state, graph):
    """KL(teacher || student), in nats, over faces that are not trained on."""
    ours = make_predict_step(graph)({"params": state["params"], "stats": state["stats"]}, IMAGES)
    told = targets(teaching(config()))
    return {t: float((p * np.log(p / ours[t])).sum(-1).mean()) for t, p in told.items()}


def taught(known=None, steps=1, mesh=None, **options):
    graph, weights = split_model(linear_model())
    optimizer = make_optimizer(steps=100, learning_rate=1e-2)
    step = make_train_step(graph, optimizer, task_weights=TASKS, seed=1, **options)
    state, theirs = init_state(graph, weights, optimizer, ema=False), teacher()[1]
    losses = []
    if mesh:
        state, theirs = jax.device_put(state, replicated(mesh)), put_whole(mesh, theirs)
    for i in range(steps):
        faces = batch(seed=i)
        if known is not None:
            faces["known"] = {task: np.full(16, known) for task in faces["known"]}
        state, loss = step(state, put_batch(mesh, faces) if mesh else faces, None, theirs)
        losses.append(float(loss))
    return jax.device_get(state), losses


def test_faces_without_labels_teach():
    graph, weights = split_model(linear_model())
    before = divergence(weights, graph)
    after = divergence(taught(known=False, steps=40, teaching=teaching(config()))[0], graph)
    assert all(after[task] < 0.8 * before[task] for task in TASKS)


def test_labels_have_their_share_and_none_where_all_is_the_teachers():
    loss = lambda known, weight: taught(known, teaching=teaching(config(weight=weight)))[1][0]
    by_teacher = loss(False, 1.0)
    assert loss(False, 0.25) == pytest.approx(0.25 * by_teacher, rel=1e-5)
    assert loss(True, 1.0) == pytest.approx(by_teacher, rel=1e-6)
    labels = taught(True)[1][0]
    assert loss(True, 0.25) == pytest.approx(0.75 * labels + 0.25 * by_teacher, rel=1e-5)


@pytest.mark.parametrize("how", [{"accumulate": 2}, {"remat": True}])
def test_parts_and_rematerialisation_change_nothing(how):
    whole, losses = taught(teaching=teaching(config()))
    again, others = taught(teaching=teaching(config()), **how)
    assert others == pytest.approx(losses, rel=1e-5)
    assert_close(again["params"], whole["params"])


@pytest.mark.parametrize("one_view", [False, True])
def test_a_teacher_says_what_it_says_elsewhere(one_view):
    theirs = eight()
    theirs.model.update(flip=True, flip_cut=0.1)
    graph, weights = teacher()
    step = make_predict_step(graph)
    views = step(weights, IMAGES), step(weights, mirrored(IMAGES.astype(np.float32), cut=0.1))
    expected = views[0] if one_view else jax.tree.map(lambda a, b: (a + b) / 2, *views)
    told = targets(teaching(config(one_view=one_view), theirs))
    for task, p in calibrated(jax.device_get(expected), CALIBRATION).items():
        np.testing.assert_allclose(told[task], p, rtol=1e-3, atol=1e-5)


def test_an_ensemble_teaches_what_its_members_say_on_average():
    models = {name: network(seed) for seed, name in enumerate("ab")}
    graph, weights = split_model(Ensemble(models))
    of = teaching_of(config(), eight(), graph, Calibration(), in_common(config(), eight()))
    each = [make_predict_step(one)(its, IMAGES) for one, its in map(split_model, models.values())]
    for task, p in targets(of, weights=weights).items():
        np.testing.assert_allclose(p, (each[0][task] + each[1][task]) / 2, atol=1e-6)


def test_a_teacher_sees_the_views_and_blends_of_the_student_at_its_own_size():
    student = config(size=16)
    student.augment.update(flip=True, brightness=0.3, mixup=0.4)
    colours = IMAGES[:, :1, :1]
    small, large = (np.tile(colours, (1, side, side, 1)) for side in (8, 16))
    changed = targets(teaching(student), small)["age"]
    np.testing.assert_allclose(targets(teaching(student), large)["age"], changed, rtol=1e-3)
    assert abs(targets(teaching(config()), small)["age"] - changed).max() > 0.01


def test_classes_of_another_order_are_put_in_the_students():
    student, theirs = config(), configs.default()
    with theirs.unlocked():
        theirs.tasks.gender.names = ("male", "female")
        theirs.tasks.age.classes = 90
        theirs.tasks.race = {"classes": 5}
    assert in_common(student, theirs) == {"gender": [1, 0]}
    student.tasks.gender.weight = 0.0
    assert in_common(student, theirs) == {}


def test_mixing_and_several_steps_a_call_run():
    student = config()
    student.augment.mixup = 0.4
    stacked = lambda seed: jax.tree.map(lambda *x: np.stack(x), batch(), batch(seed=1))
    graph, weights = split_model(linear_model())
    optimizer = make_optimizer(steps=4, learning_rate=1e-2)
    step = make_train_step(
        graph,
        optimizer,
        task_weights=TASKS,
        seed=1,
        augment=augment,
        mix=functools.partial(mixup, alpha=0.4),
        steps_per_call=2,
        teaching=teaching(student),
    )
    state = init_state(graph, weights, optimizer, ema=False)
    _, losses = step(state, stacked(0), None, teacher()[1])
    assert np.isfinite(losses).all()
    assert losses.shape == (2,)
