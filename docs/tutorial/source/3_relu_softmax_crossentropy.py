# %% [markdown] lang="en"
# # 3. ReLU, softmax and cross-entropy
#
# Layers alone, one after another, would still be one matrix product. What makes a network of them stands between and
# behind: an activation, here ReLU; softmax, which turns numbers into probabilities; and cross-entropy, which says how
# wrong the probabilities are. Each part has to know one thing: how to turn `dvalues` into `dinputs`.

# %% [markdown] lang="zh"
# # 3. ReLU、Softmax 与交叉熵
#
# 全连接层一个接一个，叠多少层也还是一次矩阵乘法。让它们成为神经网络的，是夹在中间和接在后面的部件：
# 激活函数（这里用 ReLU）；Softmax，把数变成概率；交叉熵，衡量这些概率错得多厉害。
# 每个部件只需要会一件事：把 `dvalues` 变成 `dinputs`。

# %%
import matplotlib.pyplot as plt
import numpy as np

import backpass as bp

np.set_printoptions(precision=4, suppress=True)
plt.style.use("../pictures.mplstyle")


def by_nudging(function, at, step=1e-5):
    """Slope of function(at) in each entry of the array `at`."""
    slopes = np.empty_like(at)
    for place in np.ndindex(at.shape):
        nudge = np.zeros_like(at)
        nudge[place] = step
        slopes[place] = (function(at + nudge) - function(at - nudge)) / (2 * step)
    return slopes


# %% [markdown] lang="en"
# ## ReLU: a gate
#
# ```text
# output[n, m]  = max(0, inputs[n, m])                           (N, M) -> (N, M)
# dinputs[n, m] = dvalues[n, m] where inputs[n, m] > 0, else 0   (N, M) -> (N, M)
# ```
#
# Where a number passed, its little changes pass too, and so does the gradient. Where 0 came out, nothing that the input
# does is seen behind the gate, and the gradient ends.

# %% [markdown] lang="zh"
# ## ReLU：一道闸门
#
# ```text
# output[n, m]  = max(0, inputs[n, m])                            (N, M) -> (N, M)
# dinputs[n, m] = dvalues[n, m]，若 inputs[n, m] > 0；否则为 0    (N, M) -> (N, M)
# ```
#
# 数通过了，它的微小变化也会通过，梯度也就照样往回传。出来的是 0，闸门后面就看不到输入的任何变化，
# 梯度到此为止。

# %%
inputs = np.array([[4.8, 1.21, 2.385], [8.9, -1.81, 0.2]])
dvalues = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
relu = bp.ReLU()
print(relu.forward(inputs))
print(relu.backward(dvalues))
assert np.allclose(relu.dinputs, by_nudging(lambda at: np.sum(dvalues * np.maximum(0, at)), inputs))

# %% [markdown] lang="en"
# **Question.** At exactly 0 there is a kink: no tangent, no derivative. ReLU takes 0 there. What does nudging say?
#
# <details><summary>Answer</summary>
#
# One half: up gives `step`, down gives 0, and the difference is divided by twice the step. Neither is wrong, there is
# nothing to be right about. But keep it in mind: a check by nudging fails at a kink, although the gradient is fine.
# Chapter 5 walks into this.
#
# </details>

# %% [markdown] lang="zh"
# **想一想。** 恰好在 0 的地方有个折点：没有切线，也就没有导数。ReLU 在那里取 0。数值梯度会给出多少？
#
# <details><summary>答案</summary>
#
# 二分之一：往上拨得到 `step`，往下拨得到 0，差再除以两倍步长。谁也不算错，因为那里本来就没有正确答案。
# 但要记住：在折点上，即使梯度没有问题，数值核对也会对不上。第 5 章就会碰到。
#
# </details>

# %%
zero = np.array([[0.0]])
relu.forward(zero)
print("ReLU:      ", relu.backward([[1.0]])[0, 0])
print("by nudging:", by_nudging(lambda at: np.sum(np.maximum(0, at)), zero)[0, 0])

# %% [markdown] lang="en"
# ## Softmax: numbers become probabilities
#
# The last layer gives C numbers for each sample, one for each class; they are called *logits* and may have any size.
# Softmax makes them positive with `exp` and divides by their sum, so that each row adds up to 1:
#
# ```text
# output[n, c] = exp(inputs[n, c]) / sum_k exp(inputs[n, k])     (N, C) -> (N, C)
# ```

# %% [markdown] lang="zh"
# ## Softmax：把数变成概率
#
# 最后一层给每个样本 C 个数，每个类别一个，叫做 *logits*，大小不限。Softmax 先用 `exp` 把它们变成正数，
# 再除以总和，于是每一行加起来都是 1：
#
# ```text
# output[n, c] = exp(inputs[n, c]) / sum_k exp(inputs[n, k])     (N, C) -> (N, C)
# ```


# %%
def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


logits = np.array([[2.0, 1.0, 0.1], [1000.0, 1001.0, 1002.0]])
print(softmax(logits))
assert np.allclose(softmax(logits), bp.Softmax().forward(logits))

# %% [markdown] lang="en"
# The largest number of each row is subtracted first. That changes nothing, because it divides numerator and denominator
# by the same factor, and it keeps `exp` from overflowing: `exp(1000)` is more than a float64 can hold.
#
# ## The Jacobian
#
# ReLU treats every number for itself. Softmax does not: raise one logit, and its probability rises at the cost of all
# others. So each sample has C x C slopes, a matrix called the *Jacobian*. With `p` for one row of the output:
#
# ```text
# d p[j] / d inputs[k] = p[j] * (1 if j == k else 0) - p[j] * p[k]      (C, C) for each sample
# ```
#
# It comes from the quotient rule. The sum below the line contains `exp(inputs[k])` for every k, hence `- p[j] * p[k]`;
# the numerator contains it only if j is k, hence the first term.

# %% [markdown] lang="zh"
# 每一行先减去了其中最大的数。分子分母除以同一个因子，结果不变，而 `exp` 不会溢出：`exp(1000)`
# 超出了 float64 的范围。
#
# ## 雅可比矩阵
#
# ReLU 对每个数单独处理，Softmax 不是：一个 logit 变大，它的概率上升，别的概率都要跟着下降。
# 所以每个样本有 C × C 个斜率，排成一个矩阵，叫*雅可比矩阵*。用 `p` 表示输出的一行：
#
# ```text
# d p[j] / d inputs[k] = p[j] * (j == k 时为 1，否则为 0) - p[j] * p[k]      每个样本 (C, C)
# ```
#
# 它来自商的求导法则。分母的和里总有 `exp(inputs[k])` 这一项，于是有了 `- p[j] * p[k]`；
# 分子只在 j 等于 k 时才含有它，于是有了前一项。

# %%
p = softmax(logits)[0]
jacobian = np.diag(p) - np.outer(p, p)
print(jacobian)
print("rows add up to 0:", np.allclose(jacobian.sum(axis=1), 0))
for j in range(3):  # row j: how probability j reacts to each logit
    assert np.allclose(jacobian[j], by_nudging(lambda at, j=j: softmax(at)[0, j], logits[:1]))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=(1.5, 1))
first = np.linspace(-4, 6, 200)
rows = softmax(np.stack([first, np.full(200, 1.0), np.full(200, 0.1)], axis=1))
for c, style in enumerate(("-", "--", ":")):
    left.plot(first, rows[:, c], style, label=f"class {c}")
left.axvline(2.0, color="0.5", linewidth=1)
left.set(
    xlabel="logit of class 0 (the others stay at 1 and 0.1)", ylabel="probability", title="Softmax of three logits"
)
left.legend()

largest = np.abs(jacobian).max()
right.imshow(jacobian, cmap="PuOr_r", vmin=-1.4 * largest, vmax=1.4 * largest)
for j in range(3):
    for k in range(3):
        right.text(k, j, f"{jacobian[j, k]:+.3f}", ha="center", va="center")
right.set(xticks=range(3), yticks=range(3), xlabel="logit k", ylabel="probability j", title="Jacobian at the grey line")
right.grid(False)
plt.show()

# %% [markdown] lang="en"
# Positive on the diagonal, negative beside it, and every row adds up to 0.
#
# **Question.** Why 0? What would have to be done to the logits for all slopes of a row to come into play at once?
#
# <details><summary>Answer</summary>
#
# Raise all logits by the same amount. We just saw that this changes nothing: the largest number is subtracted anyway.
# So the slopes along this direction add up to 0.
#
# </details>
#
# Backward, each probability sends its `dvalues` to every logit, and where paths meet, they add: a product with the
# Jacobian. Multiplied out, the matrix need not even be built; this is what backpass computes:
#
# ```text
# dinputs[n]    = jacobian[n] @ dvalues[n]                                          (C, C) @ (C,) -> (C,)
# dinputs[n, c] = output[n, c] * (dvalues[n, c] - sum_k output[n, k] * dvalues[n, k])     the same
# ```

# %% [markdown] lang="zh"
# 对角线上为正，两旁为负，每一行加起来都是 0。
#
# **想一想。** 为什么是 0？要怎样改动 logits，才会让一行里的所有斜率同时起作用？
#
# <details><summary>答案</summary>
#
# 把所有 logits 增加同样多。刚才看到，这样做结果不变，反正最大的数总会被减掉。
# 所以沿这个方向，各个斜率加起来是 0。
#
# </details>
#
# 反向时，每个概率都把自己的 `dvalues` 传给所有 logits，几条路汇合时相加，也就是乘上雅可比矩阵。
# 把式子乘开，连矩阵都不必造出来，backpass 就是这样算的：
#
# ```text
# dinputs[n]    = jacobian[n] @ dvalues[n]                                          (C, C) @ (C,) -> (C,)
# dinputs[n, c] = output[n, c] * (dvalues[n, c] - sum_k output[n, k] * dvalues[n, k])     结果相同
# ```

# %%
dvalues = np.array([[1.0, -2.0, 3.0]])
layer = bp.Softmax()
layer.forward(logits[:1])
print("backpass:", layer.backward(dvalues))
print("Jacobian:", (jacobian @ dvalues[0])[np.newaxis])
assert np.allclose(layer.dinputs[0], jacobian @ dvalues[0])

# %% [markdown] lang="en"
# ## Cross-entropy: how surprised are you?
#
# The loss looks at one number of each row: the probability of the true class. Given 1, nobody is surprised, the loss is
# 0. The smaller it is, the larger the loss:
#
# ```text
# loss[n]       = -log(y_pred[n, label[n]])            (N, C), (N,) -> (N,), training looks at their mean
# dinputs[n, c] = -1 / y_pred[n, c] / N  where c is label[n], else 0            (N, C)
# ```
#
# The derivative of `log` gives the `1 / y_pred`, the mean gives the `/ N` (chapter 2). The labels may also be written
# as *one-hot* rows, `[0, 1, 0]` for class 1; then the first line is `-sum_c y_true[n, c] * log(y_pred[n, c])`.

# %% [markdown] lang="zh"
# ## 交叉熵：有多意外
#
# 这个损失在每一行里只看一个数：真实类别得到的概率。给到 1，毫不意外，损失是 0；给得越小，损失越大：
#
# ```text
# loss[n]       = -log(y_pred[n, label[n]])            (N, C), (N,) -> (N,)，训练看的是它们的平均值
# dinputs[n, c] = -1 / y_pred[n, c] / N，若 c 就是 label[n]；否则为 0            (N, C)
# ```
#
# `1 / y_pred` 来自 `log` 的导数，`/ N` 来自取平均（第 2 章）。标签也可以写成*独热编码*，
# 比如类别 1 写成 `[0, 1, 0]`，这时第一行就是 `-sum_c y_true[n, c] * log(y_pred[n, c])`。

# %%
y_pred = np.array([[0.7, 0.1, 0.2], [0.1, 0.5, 0.4], [0.02, 0.9, 0.08]])
labels = np.array([0, 1, 1])
one_hot = np.eye(3)[labels]
crossentropy = bp.CategoricalCrossentropy()
print("sample losses", crossentropy.forward(y_pred, labels))
print(f"mean loss     {crossentropy.calculate(y_pred, labels):.4f}")
print(crossentropy.backward(y_pred, labels))
assert np.allclose(crossentropy.forward(y_pred, labels), crossentropy.forward(y_pred, one_hot))
nudged = by_nudging(lambda at: np.mean(-np.log(np.sum(at * one_hot, axis=1))), y_pred)
assert np.allclose(crossentropy.dinputs, nudged)

# %% [markdown] lang="en"
# (As in the notebook, the `backward` of a loss is given the predictions. Nothing stands to the right of a loss that a
# gradient could come from.)
#
# **Question.** A network says 1/3 to each of 3 classes, always. What is its loss?
#
# <details><summary>Answer</summary>
#
# `-log(1/3) = log(3) = 1.0986`, for every sample. Remember this number: a fresh network for 3 classes starts near it,
# and one that stays there has learned nothing.
#
# </details>

# %% [markdown] lang="zh"
# （和笔记一样，交给损失的 `backward` 的是预测值：损失的右边再没有别的东西，没有梯度可以传过来。）
#
# **想一想。** 一个网络对 3 个类别永远都回答 1/3，它的损失是多少？
#
# <details><summary>答案</summary>
#
# 每个样本都是 `-log(1/3) = log(3) = 1.0986`。记住这个数：3 个类别的网络，刚开始时损失就在它附近；
# 要是一直停在那里，就说明什么也没学到。
#
# </details>

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
x = np.linspace(-2, 2, 401)
left.plot(x, np.maximum(0, x), label="output")
left.plot(x[x <= 0], 0 * x[x <= 0], "--", color="C1", label="slope")
left.plot(x[x > 0], 0 * x[x > 0] + 1, "--", color="C1")
left.set(xlabel="input", title="ReLU")
left.legend()

share = np.linspace(0.01, 1, 200)
right.plot(share, -np.log(share), label="loss")
right.plot(share, -1 / share, "--", label="slope")
right.plot(1 / 3, np.log(3), "o", color="black", label="1/3: loss 1.0986")
right.set(xlabel="probability of the true class", ylim=(-12, 5), title="Cross-entropy of one sample")
right.legend(loc="lower right")
plt.show()

# %% [markdown] lang="en"
# The slope of the loss is enormous for small probabilities. What softmax makes of that is the best surprise of this
# tutorial: [softmax and cross-entropy in one step](4_in_one_step.ipynb).

# %% [markdown] lang="zh"
# 概率很小时，损失的斜率大得惊人。Softmax 会怎样处理它？这是本教程最妙的地方：
# [Softmax 与交叉熵合为一步](4_in_one_step.ipynb)。
