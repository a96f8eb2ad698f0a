# %% [markdown] lang="en"
# # 6. The trained classifier
#
# Everything so far was written out by hand. A `Network` does the same: it goes forward through its layers, backward in
# reverse, and its `fit` takes the steps downhill in compiled code. We watch what happens inside while it learns.

# %% [markdown] lang="zh"
# # 6. 训练好的分类器
#
# 到现在为止，每一步都是我们自己写出来的。`Network` 做的是同样的事：按顺序穿过各层做前向，倒过来做反向，
# 它的 `fit` 用编译好的代码一步步下山。这一章我们看着它学，看看里面发生了什么。

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb

import backpass as bp

np.set_printoptions(precision=2, suppress=True)
plt.style.use("../pictures.mplstyle")

X, y = bp.datasets.spiral(samples=100, classes=3, random_state=0, dtype="float64")
X_validation, y_validation = bp.datasets.spiral(samples=100, classes=3, random_state=1, dtype="float64")


def new_network(initializer=None):
    return bp.Network(
        [
            bp.Dense(2, 64, initializer=initializer, dtype="float64"),
            bp.ReLU(),
            bp.Dense(64, 64, initializer=initializer, dtype="float64"),
            bp.ReLU(),
            bp.Dense(64, 3, initializer=initializer, dtype="float64"),
            bp.Softmax(),
        ],
        bp.CategoricalCrossentropy(),
        random_state=0,
    )


network = new_network()
dense_layers = [layer for layer in network.layers if isinstance(layer, bp.Dense)]
print("numbers to learn:", network.parameters.size)

# %% [markdown] lang="en"
# The second spiral, drawn with other noise, is for *validation*: the network never learns from it, so it shows whether
# the network has understood the arms or only learned its points by heart.
#
# (float64 is here so that your numbers agree with these; the default, float32, is faster and just as good.)
#
# ## Watch it learn
#
# An *epoch* is one pass over all samples. A callback is an object whose `on_epoch_end` is called after each epoch. Ours
# notes how large the gradient of each layer's weights is (its norm, the root of the sum of all squares), and now and
# then what the network thinks of every point of the plane.

# %% [markdown] lang="zh"
# 第二份螺旋数据的噪声是另外抽取的，用作*验证集*：网络从不拿它来学习，所以从它能看出网络究竟是弄懂了螺旋臂，
# 还是只把见过的点背了下来。
#
# （这里用 float64，好让你得到的数和这里一样。默认的 float32 更快，效果一样好。）
#
# ## 看着它学
#
# 一个 *epoch*（轮次）就是把全部样本过一遍。回调是一个对象，每轮结束时它的 `on_epoch_end` 会被调用。
# 我们的回调记下每一层权重的梯度有多大（用范数，即各元素平方和的平方根），并隔一阵子记一次：
# 网络对平面上的每个点是怎么判断的。

# %%
across = np.linspace(-1.25, 1.25, 200)
plane = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)


class Watch:
    def __init__(self):
        self.norms, self.snapshots = [], {}

    def on_epoch_end(self, epoch, figures):
        self.norms.append([np.linalg.norm(layer.dweights) for layer in dense_layers])
        if epoch in (1, 30, 100, 300):
            self.snapshots[epoch] = network.predict_proba(plane)


watch = Watch()
history = network.fit(
    X,
    y,
    optimizer=bp.Adam(learning_rate=0.01),
    epochs=300,
    validation_data=(X_validation, y_validation),
    callbacks=[watch],
)
for name, figures in (
    ("training", network.evaluate(X, y)),
    ("validation", network.evaluate(X_validation, y_validation)),
):
    print(f"{name:10}  loss {figures['loss']:.2f}  accuracy {figures['accuracy']:.2f}")

# %% [markdown] lang="en"
# ## What it has learned
#
# Each point of the plane has the colour of the class that the network gives it; the paler, the less sure it is. The
# dots are the validation samples.

# %% [markdown] lang="zh"
# ## 它学到了什么
#
# 平面上每个点的颜色，是网络判给它的类别；颜色越淡，网络越没有把握。小点是验证集的样本。

# %%
COLOURS = np.array([to_rgb(f"C{c}") for c in range(3)])
figure, row = plt.subplots(1, 4, figsize=(12, 3.5), sharey=True)
for axes, (epoch, probabilities) in zip(row, watch.snapshots.items(), strict=True):
    sure = (probabilities.max(axis=1, keepdims=True) - 1 / 3) * 1.5  # 0: all three alike, 1: certain
    sure = np.ceil(4 * sure) / 4  # a few shades are enough
    paint = 1 - (0.1 + 0.5 * sure) * (1 - COLOURS[probabilities.argmax(axis=1)])
    axes.imshow(paint.reshape(200, 200, 3), extent=(-1.25, 1.25, -1.25, 1.25), origin="lower", interpolation="nearest")
    for c, marker in enumerate("osx"):
        dots = X_validation[y_validation == c]
        axes.scatter(*dots.T, s=9, marker=marker, color=0.75 * COLOURS[c], label=f"class {c}")
    axes.set(title=f"epoch {epoch}", xlabel="X[:, 0]")
    axes.grid(False)
row[0].set_ylabel("X[:, 1]")
figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, markerscale=2)
plt.show()

# %% [markdown] lang="en"
# ## The loss, and the gradients of each layer

# %% [markdown] lang="zh"
# ## 损失，以及各层的梯度

# %%
epochs = np.arange(1, history.epochs + 1)
validation_loss = [figures["loss"] for figures in history.validation]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
left.plot(epochs, history.loss, label="training")
left.plot(epochs, validation_loss, "--", label="validation")
left.axhline(np.log(3), color="0.5", linewidth=1)
left.text(300, np.log(3), "log(3)", color="0.35", ha="right", va="bottom")
left.set(xlabel="epoch", ylabel="mean loss", ylim=(0, 1.25), title="Loss")
left.legend(loc="lower left")
for norms, layer, style in zip(np.transpose(watch.norms), dense_layers, ("-", "--", "-."), strict=True):
    (thin,) = right.plot(epochs, norms, linewidth=0.7, alpha=0.4)
    mean = np.convolve(norms, np.ones(15) / 15, mode="valid")  # of 15 epochs: a calmer line
    right.plot(epochs[7:-7], mean, style, color=thin.get_color(), label=f"{layer!r}.dweights")
right.set(
    xlabel="epoch", ylabel="norm of the gradient", yscale="log", ylim=(2e-3, 1), title="Gradients, layer by layer"
)
right.legend(loc="lower right")
plt.show()

# %% [markdown] lang="en"
# The loss begins near log(3), where chapter 3 said it would. The training loss falls all the way. The validation
# loss stops about halfway: from there on the network learns the noise of its own points (*overfitting*).
#
# The gradients of the layers stay within a factor of ten of each other (thin: each epoch, thick: the mean of 15). That
# is what one wants to see: where a layer's gradient is a thousand
# times smaller than the next one's, the signal dies on its way back, and the layer does not learn.
#
# **Question.** All weights start as random numbers. What happens if they all start at 0?
#
# <details><summary>Answer</summary>
#
# Nothing, for ever. Every ReLU gets 0 and blocks, so nothing reaches the last layer but its biases, and every gradient
# of a weight is a product with one of these zeros. And if they all started at another common number, all neurons of a
# layer would get the same gradient and stay copies of each other. Chance has to tell them apart.
#
# </details>

# %% [markdown] lang="zh"
# 损失从 log(3) 附近出发，和第 3 章说的一样。训练损失一路下降；验证损失走到一半就停住了：
# 从那以后，网络学的只是自己那些点的噪声，这叫*过拟合*。
#
# 各层的梯度相差都在十倍以内（细线是每一轮的值，粗线是 15 轮的平均），这正是我们想看到的。
# 要是某一层的梯度只有后一层的千分之一，说明信号在往回传的路上消失了，这一层就学不动。
#
# **想一想。** 权重都从随机数开始。要是全从 0 开始，会怎样？
#
# <details><summary>答案</summary>
#
# 永远什么都不会发生。每个 ReLU 收到的都是 0，全部关闭，能影响输出的只剩最后一层的偏置；而每个权重的梯度，
# 都是和这些 0 相乘的结果。如果都从另一个相同的数开始呢？同一层的神经元得到的梯度完全相同，
# 永远是彼此的复制品。要靠随机数才能把它们区分开。
#
# </details>

# %%
zeros = new_network(initializer="zeros")
stuck = zeros.fit(X, y, optimizer=bp.Adam(learning_rate=0.01), epochs=100)
print(f"started at 0: loss {stuck.loss[0]:.4f} in epoch 1, {stuck.loss[-1]:.4f} in epoch 100")
zeros.gradient(X, y)
assert not any(layer.weights.any() or layer.dweights.any() for layer in zeros.layers if isinstance(layer, bp.Dense))

# %% [markdown] lang="en"
# ## One last check
#
# `network.gradient` gives the loss and all gradients in one flat array, computed by the engine. Here it is against
# nudging, for every 50th parameter of the trained network:

# %% [markdown] lang="zh"
# ## 最后再核对一次
#
# `network.gradient` 给出损失，以及排成一行的所有梯度，由引擎算出。拿训练好的网络，
# 每隔 50 个参数取一个，和数值梯度比一比：

# %%
loss, gradient = network.gradient(X, y)
places = np.arange(0, network.parameters.size, 50)
slopes = []
for place in places:
    kept = network.parameters[place]
    network.parameters[place] = kept + 1e-6
    above = network.evaluate(X, y)["loss"]
    network.parameters[place] = kept - 1e-6
    below = network.evaluate(X, y)["loss"]
    network.parameters[place] = kept
    slopes.append((above - below) / 2e-6)
print(
    len(places), "of", gradient.size, "checked, all agree:", np.allclose(gradient[places], slopes, rtol=1e-4, atol=1e-7)
)

# %% [markdown] lang="en"
# ## Keep it and use it

# %% [markdown] lang="zh"
# ## 保存与使用

# %%
points = X_validation[[50, 150, 250]]
with tempfile.TemporaryDirectory() as folder:
    network.save(Path(folder) / "spiral.safetensors")
    loaded = bp.Network.load(Path(folder) / "spiral.safetensors")
print("truth        ", y_validation[[50, 150, 250]])
print("prediction   ", loaded.predict(points))
print("probabilities")
print(loaded.predict_proba(points))
assert np.array_equal(loaded.predict_proba(points), network.predict_proba(points))

# %% [markdown] lang="en"
# That is the whole way, from the gradient of one neuron to a trained classifier. To go on:
#
# - The same formulas as they stand in the library: [ReLU](../../../src/backpass/layers/relu.py),
#   [softmax and cross-entropy in one step](../../../src/backpass/fusions/softmax_crossentropy.py),
#   [the chain rule](../../../src/backpass/network.py).
# - [A layer of your own](../../own_part.md).
# - [Every symbol](../../notation.md), and what other books and libraries call it.

# %% [markdown] lang="zh"
# 从一个神经元的梯度，到一个训练好的分类器，全程走完了。接下来可以看：
#
# - 同样的公式在库里怎么写：[ReLU](../../../src/backpass/layers/relu.py)，
#   [Softmax 与交叉熵合为一步](../../../src/backpass/fusions/softmax_crossentropy.py)，
#   [链式法则](../../../src/backpass/network.py)。
# - [写一个自己的层](../../own_part.md)（英文）。
# - [所有记号](../../notation.md)，以及其他书和库里的叫法（英文，附中文术语）。
