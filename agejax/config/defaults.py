"""All settings and their defaults."""

from typing import Any

from ml_collections import ConfigDict, FieldReference, config_dict

from agejax.config import tasks
from agejax.data.imdb_wiki import imdb_wiki
from agejax.models.cnn import SmallCNN
from agejax.models.multitask import to_unit
from agejax.optim import cosine

# Settings of `data` that say how images become pixels.
LOADER = ("size", "workers", "cache_mib", "cache_dir", "max_unreadable")
# Settings of `data` that replace the splits of a source by folds.
FOLDS = ("folds", "test_folds", "validation_folds")
# Settings of `data` that say which training labels count.
AUDIT = ("audit", "audit_above")
# Settings of `model` that define a network; each member of an ensemble has its own.
NETWORK = ("trunk", "args", "normalise", "head_width")
# Settings that name another model, by its path or by a function that returns that.
MODELS = ("model.pretrained", "distil.teacher")
# Sections whose keys are chosen by the experiment.
OPEN = ("tasks.", "model.args.", "model.members.", "data.sets.")


def default() -> ConfigDict:
    """All settings, locked: an experiment changes values and cannot misspell a key.

    Callables are given as objects. `model.args` are keyword arguments of the trunk. Of the settings
    in `data` before `size`, `source` gets those in its signature.
    """
    config = ConfigDict(
        {
            "seed": 0,
            "mode": "train",  # or "eval"
            "profile": False,  # write a trace of ten steps into WORKDIR/profile
            # Writers of metrics beside metrics.jsonl, such as
            # agejax.training.loggers.tensorboard:TensorBoard; their interface is
            # agejax.training.loggers.writers.Writer
            "writers": (),
            "data": _data(),
            # Of each: classes, weight, head, loss and loss_args, balance and balance_args, names,
            # logit_adjustment. All but the first have defaults; see agejax.config.tasks.Task.
            "tasks": tasks.settable({"age": {"classes": 101}, "gender": {"classes": 2}}),
            "model": _model(),
            "augment": _augment(),
            "optim": _optim(),
            "train": _train(),
            "distil": _distil(),
            "eval": _eval(),
        }
    )
    return config.lock()


def _data() -> dict[str, Any]:
    return {
        # (split, ...) -> Faces: imdb_wiki, own_faces, mixture, or a function of one's own
        "source": FieldReference(imdb_wiki, field_type=object),
        "name": "imdb",  # or "wiki", "imdb_wiki"
        "manual_dir": config_dict.placeholder(str),  # of the archives; None: TFDS's default
        "data_dir": config_dict.placeholder(str),  # of built data; None: ~/tensorflow_datasets
        "min_face_score": 0.0,  # may be stricter than that of the build
        "painted": 0,  # synthetic faces to paint into manual_dir first
        "path": config_dict.placeholder(str),  # own_faces: a table, or a packed file
        "root": config_dict.placeholder(str),  # folder of its images; None: the table's folder
        "sets": {},  # mixture: {name: {"source", "weight", arguments of the source}}
        # Cross-validation, in place of the source's splits: the number of folds, by person and
        # image, or of values in a column `fold` of the table; 0: none. Those not named train
        "folds": 0,
        "test_folds": (0,),
        "validation_folds": (1,),
        # Train on this many faces only, of persons chosen by the seed; 0: all
        "train_faces": 0,
        # What `agejax audit` wrote of the training faces: a label weighs 1 - p_wrong in the loss;
        # or, with audit_above, it is left out if its p_wrong is larger, and the others weigh 1
        "audit": config_dict.placeholder(str),
        "audit_above": config_dict.placeholder(float),
        "size": 64,  # pixels a side
        # How far crops extend beyond the face on each side, as a share of the face's side; faces
        # in photos are cropped the same way. None: as measured in training; IMDB-WIKI has 0.4
        "margin": config_dict.placeholder(float),
        "workers": 2,  # decoding threads; the result does not depend on it
        # Decoded pixels are kept in memory if all of them fit; otherwise JPEGs, as many as fit
        "cache_mib": 2048,
        "cache_dir": config_dict.placeholder(str),  # or in a file in this folder, for later runs
        # and all pixels on the devices, if they fit; None: 8192 on an accelerator, 0 on a CPU
        "device_mib": config_dict.placeholder(int),
        # Resume or evaluate a run although its data differs from what run.json recorded
        "allow_changed": False,
        "max_unreadable": 0.01,  # share of a split's records that may have become unreadable
    }


def _model() -> dict[str, Any]:
    return {
        "trunk": SmallCNN,  # an nnx.Module: (size, dtype, rngs, **args)
        "args": {},
        # Initial weights: a run of agejax, or one of its checkpoints; a file of published
        # weights; or "module:name" of a function that returns the path of either, such as
        # agejax.pretrained.start_from:efficientnet_lite0_imagenet
        "pretrained": config_dict.placeholder(str),
        "normalise": to_unit,
        "head_width": 0,
        # Of an Ensemble, in place of these: {name: {trunk, args, normalise, head_width}};
        # written by `agejax ensemble`
        "members": {},
        "dtype": "float32",  # of the computation; weights are always float32
        "flip": False,  # average the predictions of a face and its mirror image: twice the work
        "flip_cut": 0.0,  # crop the mirror image by this share at each edge, and enlarge it
    }


def _augment() -> dict[str, Any]:
    return {
        "flip": True,
        "shift": 0.0,
        "zoom": 0.0,
        "crop": 0.0,
        "pad": config_dict.placeholder(float),
        "crop_share": 0.25,
        "brightness": 0.0,
        "contrast": 0.0,
        "stretch": 0.0,
        "saturation": 0.0,
        "cutout": 0.0,
        "mixup": 0.0,  # alpha; 0: none
    }


def _optim() -> dict[str, Any]:
    return {
        "learning_rate": 1e-3,
        "schedule": cosine,
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "clip_norm": 0.0,  # 0: no clipping
        "trunk_rate": 1.0,  # the trunk's learning rate, as a share of the heads'
        "layer_decay": 1.0,  # a stage's learning rate, as a share of the next stage's
        "frozen_steps": 0,  # steps before the trunk is trained, too
        # The trunk's first stages (its by_depth()) that are never trained: steps are cheaper
        "frozen_stages": 0,
        "b1": 0.9,
        "b2": 0.999,
        "eps": 1e-8,
    }


def _train() -> dict[str, Any]:
    return {
        "steps": 1000,
        # First stages at lower resolution: ((pixels a side, steps), ...), then data.size
        "stages": (),
        "batch_size": 64,  # over all devices
        "accumulate": 1,  # micro-batches into which a batch is split
        # MiB: larger arrays of weights and optimiser state are sharded over devices (FSDP)
        "fsdp_above": config_dict.placeholder(float),
        "steps_per_call": 1,  # more saves launches of small networks on an accelerator
        "remat": False,  # recompute activations in the backward pass instead of keeping them
        "ema": 0.0,  # decay of the averaged weights; 0: none
        # Consecutive batches with a loss or gradient that is not finite that are skipped; the
        # next one stops the run
        "skip_nonfinite": 0,
        "log_every": 50,
        "eval_every": 500,  # validate, and save a checkpoint
        "keep_memory": True,  # on a CPU: keep freed memory for the next step
        "deterministic": False,  # on a GPU: bit-identical and slower; a CPU always is
        "sigterm_code": 143,  # exit codes after SIGTERM and SIGINT, once the run is saved;
        "sigint_code": 130,  # schedulers depend on them
    }


def _distil() -> dict[str, Any]:
    return {
        # Whose distributions are learned beside the labels: a run of agejax, such as an ensemble,
        # one of its checkpoints, a file that `agejax export --to weights` wrote, or
        # agejax.pretrained:faces; None: only labels are learned
        "teacher": config_dict.placeholder(str),
        "weight": 0.5,  # share of its distributions in the loss; labels have the rest
        "temperature": 1.0,  # by which its distributions and the student's are softened
        # Leave out the mirror image that the teacher averages if its own model.flip says so
        "one_view": False,
        # More training faces, of which only images are used: a folder of face crops, or a table
        "unlabelled": config_dict.placeholder(str),
        "unlabelled_weight": 1.0,  # how often they are drawn, relative to all others together
    }


def _eval() -> dict[str, Any]:
    return {
        "split": "test",  # also evaluated once, at the end of training
        "checkpoint": "best",  # or "latest", or a step
        "batch_size": 256,
        # A CSV of `path` and other columns, such as race, for metrics by group
        "attributes": config_dict.placeholder(str),
        # Kinds of groups to cross, such as "race*gender"; decade and gender are kinds, too
        "cross": config_dict.placeholder(str),
        # Ages, in whole years, at which both errors are counted: read as older, and as younger
        "thresholds": (13, 16, 18, 21, 25),
    }
