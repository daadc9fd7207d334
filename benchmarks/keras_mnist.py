"""The question of `mnist_mlp` in KerasTuner with its torch backend, as its guide writes it. A script of its own:

python -m benchmarks.keras_mnist FOLDER               ten configurations, ten epochs each
python -m benchmarks.keras_mnist FOLDER GOAL SEED     with Hyperband; prints the time at which GOAL is first reached
"""

import os
import sys
import time

os.environ["KERAS_BACKEND"] = "torch"

import keras
import keras_tuner as kt

from benchmarks.mnist import BATCH, EPOCHS, IMAGES, TRIALS, arrays, configurations


def network(first, second, learning_rate):
    model = keras.Sequential([
        keras.layers.Input((784,)),
        keras.layers.Dense(first, activation="relu"),
        keras.layers.Dense(second, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def same_questions():
    """The ten configurations of the other ways, by number: KerasTuner draws its own otherwise."""
    questions = configurations()

    def build(hp):
        chosen = questions[hp.Choice("question", list(range(TRIALS)))]
        return network(*chosen["hidden"], chosen["lr"])

    return build


def build_model(hp):
    return network(
        hp.Int("first_hidden", min_value=32, max_value=256, step=32),
        hp.Int("second_hidden", min_value=32, max_value=256, step=32),
        hp.Float("learning_rate", min_value=1e-4, max_value=1e-2, sampling="log"),
    )


class Goal(keras.callbacks.Callback):
    def __init__(self, goal):
        super().__init__()
        self.goal = goal

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] >= self.goal:
            print("REACHED", time.time(), flush=True)
            os._exit(0)  # the rest is not measured


if __name__ == "__main__":
    folder, *goal = sys.argv[1:]
    common = {"objective": "val_accuracy", "directory": folder, "project_name": "mnist", "overwrite": True}
    if goal:
        keras.utils.set_random_seed(int(goal[1]))
        (x, y), held_out = arrays(50_000)
        tuner = kt.Hyperband(build_model, max_epochs=EPOCHS, factor=3, seed=int(goal[1]), **common)
        callbacks = [Goal(float(goal[0]))]
    else:
        (x, y), held_out = arrays(IMAGES)
        tuner = kt.GridSearch(same_questions(), max_trials=TRIALS, **common)
        callbacks = []
    tuner.search(x, y, epochs=EPOCHS, batch_size=BATCH, validation_data=held_out, callbacks=callbacks, verbose=0)
    print(tuner.oracle.get_best_trials(1)[0].score)
