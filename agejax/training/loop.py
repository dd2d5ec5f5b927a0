"""Training, from a config to an evaluated checkpoint."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from agejax import config as configs
from agejax.checkpoints.async_save import Saving
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.lock import one_run
from agejax.checkpoints.own_data import remember
from agejax.checkpoints.provenance import note_session
from agejax.checkpoints.same_data import check_same_data
from agejax.config import label_counts, tasks, validation
from agejax.data.bad_records import Unreadable
from agejax.data.crop_margin import CropMargin, measure
from agejax.data.faces import Faces
from agejax.data.stream import step_rows
from agejax.distributed.initialize import first_alone, is_first
from agejax.distributed.mesh import (
    Highest,
    check_batch_size,
    fetch,
    layout_of,
    make_mesh,
    put,
    replicated,
    whole,
)
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate, open_loader, predict_split
from agejax.evaluation.open_split import open_split
from agejax.evaluation.summary import selection_error, validation_figures
from agejax.kernels.cpu import keep_freed_memory
from agejax.metrics.calibration import Calibration
from agejax.models.structure import Structure
from agejax.steps.step import TrainStep, init_state
from agejax.steps.step_factory import predict_step_of, train_steps_of
from agejax.training.initial_weights import first_model
from agejax.training.loggers.writers import MetricsLog, open_log
from agejax.training.nonfinite_log import Refusals
from agejax.training.prefetch import feed, pixels_on_device
from agejax.training.profile import Trace
from agejax.training.progress import Progress
from agejax.training.signals import Stop, stop_by_signal
from agejax.training.teacher import Teacher, check_same_teacher, read_teacher
from agejax.types import TrainState, Weights, weights_of
from agejax.utils.atomic_write import write_text
from agejax.utils.forks import check_not_forked
from agejax.utils.notes import note
from agejax.utils.paths import expanded

_Validation = tuple[dict[str, Any], Calibration]


def train(config: ConfigDict, workdir: Path, *, save_on_signal: bool = False) -> dict[str, Any]:
    """Trains to `config.train.steps`, resuming what `workdir` holds, and evaluates the best.

    Everything random derives from the seed and the step, so that a run that was stopped and resumed
    ends with the weights of one that was not.

    Args:
      config: see `agejax.config.default`.
      workdir: gets `config.json`, `run.json`, `metrics.jsonl`, `checkpoints/` and `eval/`.
      save_on_signal: has SIGTERM, SIGINT and SIGHUP stop it at the next step boundary, saved. In
        the main thread alone; otherwise signals do what they always do.

    A batch that is not finite stops it, saved, where `config.train.skip_nonfinite` says so.

    Returns:
      The figures of the best checkpoint on `config.eval.split`, as `evaluate` gives them.

    Raises:
      UserError: a setting, the data or the folder is not as it must be, or a batch was not finite.
      Stopped: a signal asked for it.
    """
    config, workdir = configs.settled(config), expanded(Path(workdir))
    validation.check(config)
    validation.check_trainable(config)
    validation.check_source(config)
    check_not_forked()
    codes = config.train.sigterm_code, config.train.sigint_code
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_by_signal(*codes)) if save_on_signal else Stop({})
        with first_alone("lock"):
            if is_first():
                stack.enter_context(one_run(workdir))
        # What all processes would write alike, process 0 alone leaves in `workdir`.
        notes = workdir if is_first() else stack.enter_context(tempfile.TemporaryDirectory())
        _train(config, workdir, Path(notes), stop)
        return evaluate(config, workdir)


def _train(config: ConfigDict, workdir: Path, notes: Path, stop: Stop) -> None:
    mesh = _start_devices(config)
    checkpoints = Checkpoints(workdir)
    checkpoints.check_not_lost()
    _check_same_run(config, checkpoints)
    remember(config)
    saved = checkpoints.latest()
    graph, weights = first_model(config, fresh=saved is None)
    teacher = read_teacher(config) if (saved or 0) < config.train.steps else None
    check_same_teacher(workdir, saved or 0, teacher)
    with first_alone("data"):
        faces = open_split(config, "train")
    validation = open_split(config, "validation").without(faces)
    # That there is one must not show at the end.
    tested = open_split(config, config.eval.split).without(faces)
    splits, evaluated = {"train": faces, "validation": validation}, {config.eval.split: tested}
    evaluated = {name: of for name, of in evaluated.items() if name not in splits}
    if saved is not None:
        allow = config.data.allow_changed
        check_same_data(workdir, saved, {**splits, **evaluated}, allow=allow)
    state, step_at, validate = _make_steps(config, mesh, faces, validation, graph, weights, teacher)
    del weights  # or the first ones would be held as long as training runs
    if saved is not None:
        state = checkpoints.state(saved, like=state)
    written = configs.to_json(_without_permission(config))
    write_text(notes / "config.json", written)
    _say_what_runs(config, workdir, state, len(faces), len(validation))
    done, settings = int(state["step"]), config.train
    if done < settings.steps:
        if is_first():  # which alone writes what stands beside the arrays
            checkpoints.margin = _crop_margin(config, checkpoints, saved, faces)
        if teacher is not None:
            teacher.compare_margin(checkpoints.margin)
        about = teacher.about if teacher else None
        note_session(notes, config, done, fetch(weights_of(state)), splits, evaluated, about)
    log = open_log(config, notes, after=done)
    progress = Progress(
        log,
        done=done,
        steps=settings.steps,
        batch_size=settings.batch_size,
        steps_per_call=settings.steps_per_call,
    )
    unreadable = Unreadable(notes / "unreadable.json")
    loader = open_loader(config, faces, unreadable.of("train"))
    pixels = pixels_on_device(mesh, loader, config.data.device_mib)
    batches = feed(
        mesh,
        loader if pixels is None else loader.rows(),
        steps_per_call=settings.steps_per_call,
        seed=config.seed,
        batch_size=settings.batch_size,
        start=done,
    )
    trace = Trace(notes / "profile", config.profile)
    refusals = _follow_refusals(config, notes, state, faces)
    agree, saving = Highest(mesh), Saving(checkpoints)
    with contextlib.ExitStack() as stack:
        for opened in (progress, batches, trace, refusals, saving):
            stack.enter_context(contextlib.closing(opened))
        stack.enter_context(stop.at_step_boundaries())
        for step in range(
            done + settings.steps_per_call, settings.steps + 1, settings.steps_per_call
        ):
            state, loss = step_at(step)(state, progress.next(batches), pixels)
            progress.step()
            trace.step(loss)
            saving.check()
            log_now = step % settings.log_every == 0
            validate_now = step % settings.eval_every == 0 or step == settings.steps
            stop_now = stop.agreed(agree)
            if refusals.halted(step, loss, wait=log_now or validate_now or stop_now):
                if int(state["step"]) % settings.steps_per_call == 0:
                    saving.save(state, written)
                    saving.wait()
                raise refusals.error(workdir)
            if log_now:
                progress.trained(settings.log_every, state["window"])
                state["window"] = jax.tree.map(jnp.zeros_like, state["window"])
            mae = calibration = None
            if validate_now:
                figures, calibration = validate(state)
                progress.validated(step, figures)
                mae = selection_error(figures)
            progress.write(step)  # before the checkpoint, so that a kill between them loses no line
            if validate_now or stop_now:
                progress.sync()
                saving.save(state, written, mae, calibration)
            if stop_now:
                saving.wait()
                stop.leave(f"{workdir} is saved at step {step:,}")
        saving.wait()


def _without_permission(config: ConfigDict) -> ConfigDict:
    """A config without what was allowed for this start alone."""
    config = config.copy_and_resolve_references()
    config.data.allow_changed = False
    return config


def _start_devices(config: ConfigDict) -> Mesh:
    if config.train.keep_memory:
        keep_freed_memory()
    mesh = make_mesh()
    check_batch_size(mesh, "train.batch_size", config.train.batch_size, config.train.accumulate)
    check_batch_size(mesh, "eval.batch_size", config.eval.batch_size)
    return mesh


def _check_same_run(config: ConfigDict, checkpoints: Checkpoints) -> None:
    if (saved := checkpoints.latest()) is None:
        return
    where, trust = f"{checkpoints.folder}/{saved}", configs.modules_of(config)
    theirs = configs.from_json(checkpoints.config(saved), where, trust)
    if changes := list(configs.differences(config, theirs)):
        raise UserError(
            f"{checkpoints.folder.parent} holds another run: {'; '.join(changes)}; "
            f"give this one its own --workdir"
        )
    if saved > config.train.steps:
        raise UserError(
            f"{checkpoints.folder.parent} is at step {saved}, past config.train.steps, "
            f"{config.train.steps}; ask for more steps, or give another --workdir"
        )


def _make_steps(
    config: ConfigDict,
    mesh: Mesh,
    faces: Faces,
    validation: Faces,
    graph: Structure,
    weights: Weights,
    teacher: Teacher | None,
) -> tuple[TrainState, Callable[[int], TrainStep], Callable[[TrainState], _Validation]]:
    """The first state, the train step of each step, and the validation of a state."""
    learnt = tasks.read(config.tasks)
    # A finished run is not taught again.
    taught = teacher.teaching.label_shares if teacher else config.distil.teacher and learnt
    tasks.check_faces(learnt, faces.known, faces.upto, taught or ())
    labels = (faces.labels, faces.known, faces.upto)
    weights_of_classes = label_counts.class_weights(learnt, *labels)
    offset = label_counts.logit_offsets(learnt, *labels)
    layout = layout_of(mesh, config.train.fsdp_above)
    teaching = teacher.teaching if teacher else None
    shares = label_counts.label_shares(learnt, *labels)
    optimizer, step_at = train_steps_of(config, graph, weights_of_classes, layout, teaching, shares)
    step_at = teacher.into(step_at, mesh) if teacher else step_at
    predict_step = predict_step_of(config, graph)
    loader = open_loader(config, validation)

    def validate(state: TrainState) -> _Validation:
        size = config.eval.batch_size
        weights = weights_of(state)
        if config.train.fsdp_above is not None:
            weights = whole(mesh, weights)
        raw = predict_split(predict_step, weights, mesh, loader, size)
        return validation_figures(raw, validation.where(~loader.quarantine.bad), offset)

    state = init_state(graph, weights, optimizer, ema=config.train.ema > 0)
    return put(state, layout.shardings(state) if layout else replicated(mesh)), step_at, validate


def _crop_margin(
    config: ConfigDict, checkpoints: Checkpoints, saved: int | None, faces: Faces
) -> CropMargin:
    """What the crops show beyond the face: chosen, noted by the run before, or measured."""
    if config.data.margin is not None:
        return CropMargin(config.data.margin)
    kept = None if saved is None else checkpoints.crop_margin(saved)
    if kept is None or not (kept.found or kept.doubt):  # it was chosen then, and is not now
        kept = measure(faces)
        note(str(kept))
    return kept


def _follow_refusals(config: ConfigDict, notes: Path, state: TrainState, faces: Faces) -> Refusals:
    rows = step_rows(faces, seed=config.seed, batch_size=config.train.batch_size)
    refusals = Refusals(
        MetricsLog(notes / "refused.jsonl", after=int(state["step"])),
        lambda step: faces.path[rows(step)].tolist(),
        skip=config.train.skip_nonfinite,
    )
    refusals.start(state)
    return refusals


def _say_what_runs(
    config: ConfigDict, workdir: Path, state: TrainState, faces: int, validation: int
) -> None:
    parameters = sum(x.size for x in jax.tree.leaves(state["params"])) / 1e6
    note(
        f"{workdir}: {faces:,} training and {validation:,} validation faces; "
        f"{config.model.trunk.__name__}, {parameters:.2f} million weights; "
        f"{jax.device_count()} x {jax.devices()[0].device_kind}; "
        f"step {int(state['step']):,} of {config.train.steps:,}"
    )
