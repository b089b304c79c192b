# %% [markdown]
# # A sweep from a notebook
#
# Editors that know `# %%` run this file cell by cell, and `jupytext --to ipynb notebook.py` makes a
# notebook of it. As a script it runs from top to bottom. Its record, the MLflow runs and the data
# lie in the directory it is run in, and running it again trains nothing twice.

# %%
from sklearn.datasets import load_digits

import tuner

# %% [markdown]
# Data in memory: 1,797 pictures of 8×8 pixels, from 0 to 255. The last 300 are the test split,
# which nothing reads before a winner is confirmed.

# %%
digits = load_digits()
x, y = (digits.images * 15.9).astype("uint8"), digits.target
x_train, y_train, x_test, y_test = x[:-300], y[:-300], x[-300:], y[-300:]

# %% [markdown]
# What is asked for, and what may be tried. The keywords are the keys of a sweep file.

# %%
sweep = tuner.Sweep(
    dataset=(x_train, y_train, x_test, y_test),
    targets="val >= 95% with train < 99.9%",
    space={
        "dropout": {"min": 0.0, "max": 0.6},
        "l2": {"min": 1e-6, "max": 1e-2, "log": True, "or": 0},
        "units": [32, 64, 128],
        "learning_rate": {"min": 1e-3, "max": 1e-2, "log": True},
    },
    fixed={"depth": 1, "batch_size": 32},
    variants={"plain": {"dropout": 0, "l2": 0, "units": 64, "learning_rate": 0.003}},
    epochs=15,
    trials=12,
    name="notebook",
)
result = sweep.run()
result

# %% [markdown]
# The same as tables: a row a trial, a row an epoch.

# %%
result.trials[["trial", "variant", "verdict", "val_accuracy", "train_accuracy", "param.dropout"]]

# %%
curves = result.epochs.pivot(index="epoch", columns="trial", values="val_accuracy")
curves.plot(ylabel="val accuracy", title=result.study)

# %%
print(result.best.params)
result.what_if("val >= 97%")

# %% [markdown]
# Was it luck? The winners again, on fresh seeds and splits.

# %%
proven = result.confirm(top=2, seeds=5)
proven.repeats[["trial", "kind", "seed", "val_accuracy", "passes"]]

# %% [markdown]
# What remains: a page for people, a file, and the model itself.

# %%
print(proven.sentence)
page, file = proven.report(), proven.export(out="digits.keras")
print(page, file)

# %%
model = proven.load_model()
guesses = model.predict(x_test, verbose=0).argmax(axis=1)
print(f"{(guesses == y_test).mean():.3f} of the test rows are right")
