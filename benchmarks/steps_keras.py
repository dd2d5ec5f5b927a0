"""Keras's side of `steps.py`, on TensorFlow, with the tutorial's network."""

import os
import sys

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}

import keras
from keras import layers
from networks import faces
from turns import serve


def tutorial_cnn(size):
    x = image = keras.Input((size, size, 3), dtype="uint8")
    x = layers.Rescaling(1 / 127.5, -1)(x)
    for width, rate in ((32, 0.2), (64, 0.4), (128, 0.7)):
        x = layers.Conv2D(width, 5, padding="same", activation="relu")(x)
        x = layers.Dropout(rate)(layers.MaxPooling2D()(x))
    x = layers.Dropout(0.4)(layers.Dense(1024, "relu")(layers.Flatten()(x)))
    heads = [layers.Dense(n, name=task)(layers.Dense(1024)(x)) for task, n in TASKS.items()]
    return keras.Model(image, dict(zip(TASKS, heads, strict=True)))


TASKS = {"age": 101, "gender": 2}


def main(name, size, batch_size):
    image, labels = faces(int(size), int(batch_size))
    net = {"tutorial_cnn": tutorial_cnn}[name](int(size))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(
        keras.optimizers.Adam(1e-3),
        loss=dict.fromkeys(TASKS, loss),
        loss_weights=dict.fromkeys(TASKS, 0.5),
        jit_compile=False,  # oneDNN; XLA takes longer here
    )

    def steps(n):
        for _ in range(n):
            net.train_on_batch(image, labels)

    serve(steps)


if __name__ == "__main__":
    main(*sys.argv[1:])
