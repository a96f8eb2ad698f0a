# %% [markdown] lang="en"
# # 5. A whole pass, every gradient checked
#
# Now all parts in a row, on data that no straight line can separate: forward to the loss, backward to every gradient,
# a check of all of them, and then downhill by hand.

# %% [markdown] lang="zh"
# # 5. 完整的一遍，每个梯度都核对
#
# 现在把所有部件连起来，用在任何直线都分不开的数据上：向前算到损失，往回算出每一个梯度，逐个核对，
# 然后动手下山。

# %%
import matplotlib.pyplot as plt
import numpy as np

import backpass as bp

np.set_printoptions(precision=4, suppress=True)
plt.style.use("../pictures.mplstyle")

generator = np.random.RandomState(39)
X, y = bp.datasets.spiral(samples=100, classes=3, random_state=generator, dtype="float64")
print("X", X.shape, " y", y.shape)

figure, axes = plt.subplots(figsize=(5.6, 4.4))
for c, marker in enumerate("osx"):
    axes.scatter(*X[y == c].T, s=15, marker=marker, label=f"class {c}")
axes.set(xlabel="X[:, 0]", ylabel="X[:, 1]", aspect="equal")
axes.legend(bbox_to_anchor=(1, 1), loc="upper left")
plt.show()

# %% [markdown] lang="en"
# ## Forward and backward
#
# The network of the notebook: two inputs, a layer of 3 neurons, ReLU, a layer of 3 neurons (one for each class), then
# softmax and cross-entropy. Its weights start as small random numbers, its biases at 0.
#
# ```text
# X (300, 2) -> dense1 (300, 3) -> relu (300, 3) -> dense2 (300, 3) -> softmax and cross-entropy -> loss
#                     <-                 <-                 <-                   <-
# ```
#
# The chain rule in one line: what is `dinputs` for a part is `dvalues` for the part before it.

# %% [markdown] lang="zh"
# ## 前向与反向
#
# 用笔记里的网络：两个输入，一层 3 个神经元，ReLU，再一层 3 个神经元（每个类别一个），最后是 Softmax 与交叉熵。
# 权重的初值是很小的随机数，偏置从 0 开始。
#
# ```text
# X (300, 2) -> dense1 (300, 3) -> relu (300, 3) -> dense2 (300, 3) -> Softmax 与交叉熵 -> 损失
#                     <-                 <-                 <-                <-
# ```
#
# 链式法则一句话就能说完：后一个部件的 `dinputs`，就是前一个部件的 `dvalues`。

# %%
dense1 = bp.Dense(2, 3, initializer="small_normal", random_state=generator, dtype="float64")
dense2 = bp.Dense(3, 3, initializer="small_normal", random_state=generator, dtype="float64")
relu, step = bp.ReLU(), bp.SoftmaxCrossentropy()


def forward():
    return step.forward(dense2.forward(relu.forward(dense1.forward(X))), y)


def backward():
    dvalues = step.backward(step.output, y)
    for part in (dense2, relu, dense1):
        dvalues = part.backward(dvalues)


loss = forward()
backward()
print(f"loss {loss:.4f}, accuracy {np.mean(step.output.argmax(axis=1) == y):.2f}")
print("first probabilities", step.output[0])
print("dense1.dweights, times 10000:")
print(1e4 * dense1.dweights)
print("dense1.dbiases, times 10000:")
print(1e4 * dense1.dbiases)
print("dense2.dweights, times 10000:")
print(1e4 * dense2.dweights)

# %% [markdown] lang="en"
# These are the notebook's numbers. The loss is `log(3) = 1.0986`, the loss of saying 1/3 to everything (chapter 3):
# with weights as small as these the network cannot say anything else yet.
#
# ## Every gradient, checked
#
# 21 numbers can be changed: 6 + 3 in the first layer, 9 + 3 in the second. Nudge each up and down and compare. The
# largest difference is given as a share of the largest entry:

# %% [markdown] lang="zh"
# 这些就是笔记里的数。损失等于 `log(3) = 1.0986`，正是对什么都回答 1/3 的损失（第 3 章）：
# 权重这么小，网络暂时也答不出别的。
#
# ## 逐个核对
#
# 可以改动的数一共 21 个：第一层 6 + 3 个，第二层 9 + 3 个。每个都上下拨一拨，再作比较。
# 下面列出的是最大的差，以最大元素的百分之几表示：


# %%
def by_nudging(parameters, step=1e-5):
    """Slope of the loss in each entry of an array that the network computes with."""
    slopes = np.empty_like(parameters)
    for place in np.ndindex(parameters.shape):
        kept = parameters[place]
        parameters[place] = kept + step
        above = forward()
        parameters[place] = kept - step
        below = forward()
        parameters[place] = kept
        slopes[place] = (above - below) / (2 * step)
    return slopes


def check():
    """Largest difference between the gradient and the measured slopes, relative to the largest entry."""
    forward()
    backward()
    differences = {}
    for name, layer in (("dense1", dense1), ("dense2", dense2)):
        for kind, parameters, gradient in (
            ("weights", layer.weights, layer.dweights),
            ("biases", layer.biases, layer.dbiases),
        ):
            difference = np.abs(by_nudging(parameters) - gradient).max() / np.abs(gradient).max()
            differences[f"{name}.d{kind}"] = difference
            print(f"{name}.d{kind:7} {gradient.shape}  {difference:.2%}")
    return differences


differences = check()

# %% [markdown] lang="en"
# Three agree. One does not, by almost 4 percent!
#
# **Question.** Who is wrong? (Each arm of the spiral begins at exactly (0, 0), and all biases are 0. What does ReLU get
# from these three points?)
#
# <details><summary>Answer</summary>
#
# Exactly 0, for every neuron: the kink of chapter 3. There ReLU takes the slope 0, and nudging a bias up and down finds
# one half. Nobody is wrong, and for training it does not matter. But the check cannot judge at such a place. Move the
# biases off 0, and it can.
#
# </details>

# %% [markdown] lang="zh"
# 三组一致，有一组却差了将近百分之四！
#
# **想一想。** 是谁错了？（提示：每条螺旋臂都恰好从 (0, 0) 出发，而偏置全是 0。这三个点送进 ReLU 的是什么？）
#
# <details><summary>答案</summary>
#
# 对每个神经元来说都恰好是 0，正是第 3 章说的折点。ReLU 在那里把斜率取作 0，而把偏置上下拨动，量出来的是二分之一。
# 谁都没错，对训练也没有影响，只是在这种地方数值核对没法下结论。把偏置从 0 挪开一点，它就能下结论了。
#
# </details>

# %%
assert differences["dense1.dbiases"] > 0.01
assert np.count_nonzero(relu.inputs == 0) == 3 * 3  # 3 points, 3 neurons
dense1.biases = np.full((1, 3), 0.01)
differences = check()
assert max(differences.values()) < 1e-5

# %% [markdown] lang="en"
# All 21 agree. Now we can trust them.
#
# ## Downhill by hand
#
# One step of gradient descent: forward, backward, and each parameter a bit against its gradient. Three neurons are too
# few for a spiral, so the first layer gets 64. `initializer="he_normal"` draws weights that suit ReLU: large enough for
# the numbers not to fade on their way through the layers.

# %% [markdown] lang="zh"
# 21 个全部一致，现在可以放心用了。
#
# ## 动手下山
#
# 梯度下降的一步：前向，反向，再让每个参数逆着自己的梯度挪一点。3 个神经元对付螺旋太少，第一层换成 64 个。
# `initializer="he_normal"` 抽取适合 ReLU 的初始权重：大小合适，数在层与层之间传递时不会越来越小。


# %%
def descend(learning_rate, steps):
    """Losses before each step, and how many neurons of the first layer still answer to any sample."""
    global dense1, dense2
    dense1 = bp.Dense(2, 64, initializer="he_normal", random_state=1, dtype="float64")
    dense2 = bp.Dense(64, 3, initializer="he_normal", random_state=2, dtype="float64")
    losses = []
    for _ in range(steps):
        losses.append(forward())
        backward()
        for layer in (dense1, dense2):
            layer.weights -= learning_rate * layer.dweights
            layer.biases -= learning_rate * layer.dbiases
    return losses, np.count_nonzero(relu.output.any(axis=0))


runs = {learning_rate: descend(learning_rate, 300) for learning_rate in (0.1, 2, 10)}
for learning_rate, (losses, alive) in runs.items():
    print(f"learning rate {learning_rate:4}: loss {losses[0]:.2f} -> {losses[-1]:.2f}, neurons alive {alive} of 64")

# %%
figure, axes = plt.subplots()
for (learning_rate, (losses, _)), style in zip(runs.items(), ("-", "--", ":"), strict=True):
    axes.plot(losses, style, label=f"learning rate {learning_rate}")
axes.axhline(np.log(3), color="0.5", linewidth=1)
axes.text(300, np.log(3), "log(3)", color="0.35", ha="right", va="bottom")
axes.set(xlabel="step", ylabel="mean loss", yscale="log")
axes.set_yticks([1, 2, 3, 4, 5], ["1", "2", "3", "4", "5"])
axes.minorticks_off()
axes.legend(loc="center right")
plt.show()

# %% [markdown] lang="en"
# Small steps are steady and slow. Larger ones get farther, though with leaps. With a learning rate of 10 the loss
# stands still at 3, far *above* the log(3) of a network that knows nothing.
#
# **Question.** Why does it not recover? Follow a ReLU neuron whose bias was thrown far below 0 by one wild step.
#
# <details><summary>Answer</summary>
#
# It answers 0 to every sample, so the gate is shut for every gradient, and its weights and bias never change again: the
# neuron is dead. Some dozens of such steps, and all 64 are. Only the last layer's biases still move, in leaps too long
# to settle.
#
# </details>
#
# One learning rate has to do for all parameters, although some gradients are a hundred times larger than others. *Adam*
# gives each parameter a step of its own size; with it the last chapter trains a network that gets the spiral right.
#
# Next: [the trained classifier](6_trained_classifier.ipynb).

# %% [markdown] lang="zh"
# 步子小，走得稳，但是慢；步子大一些，走得更远，不过会有跳动。学习率取 10 时，损失停在 3 左右，
# 比一无所知的网络的 log(3) *还要高*。
#
# **想一想。** 它为什么恢复不过来？设想某个 ReLU 神经元，一步迈得太猛，偏置被甩到远远低于 0 的地方，
# 接下来会怎样？
#
# <details><summary>答案</summary>
#
# 它对每个样本都输出 0，闸门对所有梯度都关上了，权重和偏置从此不再变化：这个神经元“死”了。
# 这样走上几十步，64 个就全死了。还会动的只剩最后一层的偏置，可步子太大，怎么也停不下来。
#
# </details>
#
# 所有参数只能共用一个学习率，尽管有的梯度比别的大上百倍。*Adam* 让每个参数有自己的步长。
# 最后一章就用它训练出一个能分清螺旋的网络。
#
# 下一章：[训练好的分类器](6_trained_classifier.ipynb)。
