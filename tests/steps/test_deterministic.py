"""`config.train.deterministic` is an option of the compiled steps, and no flag of the process."""

import os

from agejax.kernels.cpu import compiler_options
from agejax.steps import step_factory
from agejax.steps.model_factory import abstract_model

FLAG = "xla_gpu_deterministic_ops"


def test_the_steps_of_a_config_are_compiled_with_it(tiny, monkeypatch):
    given, flags = [], os.environ.get("XLA_FLAGS")
    monkeypatch.setattr(
        step_factory, "make_train_step", lambda *_, **named: given.append(named["compiler_options"])
    )
    monkeypatch.setattr(
        step_factory, "make_predict_step", lambda graph, options: given.append(options)
    )
    graph, _ = abstract_model(tiny)
    for wanted in (True, False):
        tiny.train.deterministic = wanted
        step_factory.train_step_of(tiny, graph)
        step_factory.predict_step_of(tiny, graph)
    assert [bool((options or {}).get(FLAG)) for options in given] == [True, True, False, False]
    assert os.environ.get("XLA_FLAGS") == flags


def test_without_it_the_options_are_those_of_before():
    assert FLAG not in (compiler_options() or {})
