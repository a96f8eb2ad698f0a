# %% [markdown] lang="en"
# # 2. A layer and a batch
#
# A layer is several neurons that see the same inputs. A batch is several samples at once. Both are one matrix
# product, and the backward pass is two more. What has to be understood is which sums appear, and why.
#
# Sizes in this chapter: N = 2 samples, D = 4 inputs, M = 3 neurons. They differ on purpose.

# %% [markdown] lang="zh"
# # 2. 一层神经元，一批样本
#
# 一层，就是几个神经元看同样的输入；一批，就是几个样本一起算。两件事合起来是一次矩阵乘法，
# 反向传播再做两次。真正要弄懂的是：哪里会出现求和，为什么。
#
# 本章的大小：N = 2 个样本，D = 4 个输入，M = 3 个神经元。三个数故意取得各不相同。

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

import backpass as bp

np.set_printoptions(precision=4, suppress=True)
plt.style.use("../pictures.mplstyle")

weights = np.array([[0.2, 0.5, -0.26], [0.8, -0.91, -0.27], [-0.5, 0.26, 0.17], [1.0, -0.5, 0.87]])
biases = np.array([[2.0, 3.0, 0.5]])
inputs = np.array([[1.0, 2.0, 3.0, 2.5], [2.0, 5.0, -1.0, 2.0]])

# %% [markdown] lang="en"
# ## Three neurons, one sample
#
# Each neuron has a column of `weights`. In from the right comes one number for each neuron: how much the loss changes
# with that neuron's output. Say all three are 1.
#
# An input reaches the loss on three paths, one through each neuron. Along a path the factors multiply; where paths
# meet, they add:
#
# ```text
# dinputs[d] = sum_m dvalues[m] * weights[d, m]      dvalues (3,), weights (4, 3), dinputs (4,)
# ```

# %% [markdown] lang="zh"
# ## 三个神经元，一个样本
#
# `weights` 的每一列属于一个神经元。右边给每个神经元传来一个数：它的输出变一点点，损失变多少。
# 假设三个数都是 1。
#
# 一个输入有三条路通向损失，每个神经元一条。同一条路上的因子相乘，几条路汇合时相加：
#
# ```text
# dinputs[d] = sum_m dvalues[m] * weights[d, m]      dvalues (3,)，weights (4, 3)，dinputs (4,)
# ```

# %%
dvalues = np.array([1.0, 1.0, 1.0])
print("first input:", " + ".join(f"1 * {weight}" for weight in weights[0]), f"= {weights[0] @ dvalues:.2f}")
print("all inputs: ", dvalues @ weights.T)

# %% [markdown] lang="en"
# ## A batch
#
# Now two samples, one in each row. Forward, every sample goes through the same weights, and the same biases are added
# to every row. NumPy copies the one row of biases to all rows; this is called broadcasting.
#
# ```text
# output   = inputs @ weights + biases      (2, 4) @ (4, 3) + (1, 3) -> (2, 3)
# ```
#
# Backward, `dvalues` has the shape of `output`, and every gradient has the shape of what it is the gradient of:
#
# ```text
# dweights = inputs.T @ dvalues             (4, 2) @ (2, 3) -> (4, 3)
# dbiases  = sum_n dvalues[n]               (2, 3)          -> (1, 3)
# dinputs  = dvalues @ weights.T            (2, 3) @ (3, 4) -> (2, 4)
# ```

# %% [markdown] lang="zh"
# ## 一批样本
#
# 现在有两个样本，一行一个。前向时，所有样本都乘同样的权重，每一行都加上同样的偏置。
# 偏置只有一行，NumPy 把它复制到所有行，这叫广播。
#
# ```text
# output   = inputs @ weights + biases      (2, 4) @ (4, 3) + (1, 3) -> (2, 3)
# ```
#
# 反向时，`dvalues` 的形状和 `output` 相同；是谁的梯度，形状就和谁相同：
#
# ```text
# dweights = inputs.T @ dvalues             (4, 2) @ (2, 3) -> (4, 3)
# dbiases  = sum_n dvalues[n]               (2, 3)          -> (1, 3)
# dinputs  = dvalues @ weights.T            (2, 3) @ (3, 4) -> (2, 4)
# ```

# %%
GREY, BLUE, ORANGE = "0.6", "#0072B2", "#D55E00"


def draw(axes, *parts):
    """Matrices in a row, names above and shapes below, with signs between them."""
    x = 0
    for part in parts:
        if isinstance(part, str):
            axes.text(x + 1, 0, part, ha="center", va="center", fontsize=14)
            x += 2
            continue
        name, rows, columns, colour = part
        axes.pcolor(x + np.arange(columns + 1), np.arange(rows + 1) - rows / 2, np.ones((rows, columns)),
                    cmap=ListedColormap([colour]), edgecolors="white", linewidth=2)  # fmt: skip
        axes.text(x + columns / 2, rows / 2 + 0.3, name, ha="center", va="bottom")
        axes.text(x + columns / 2, -rows / 2 - 0.3, f"({rows}, {columns})", ha="center", va="top", color="0.35")
        x += columns
    axes.set(xlim=(-1, 21), ylim=(-3.2, 3.2), aspect="equal", anchor="W")
    axes.axis("off")


figure, ((top, top_right), (bottom, bottom_right)) = plt.subplots(2, 2, figsize=(10, 3.6))
draw(
    top, ("inputs", 2, 4, BLUE), "@", ("weights", 4, 3, GREY), "+", ("biases", 1, 3, GREY), "=", ("output", 2, 3, BLUE)
)
draw(top_right, ("dvalues", 2, 3, ORANGE), "@", ("weights.T", 3, 4, GREY), "=", ("dinputs", 2, 4, ORANGE))
draw(bottom, ("inputs.T", 4, 2, BLUE), "@", ("dvalues", 2, 3, ORANGE), "=", ("dweights", 4, 3, ORANGE))
draw(bottom_right, ("ones", 1, 2, GREY), "@", ("dvalues", 2, 3, ORANGE), "=", ("dbiases", 1, 3, ORANGE))
plt.show()

# %% [markdown] lang="en"
# Blue goes forward, orange goes backward, grey belongs to the layer. Two of these deserve a closer look.
#
# ### Why `dweights` sums over the samples
#
# All samples share one weight. Raise it a little, and the output of *every* sample moves. So its gradient is a sum over
# samples, and each sample's part is the product of chapter 1: its input times its `dvalues`.

# %% [markdown] lang="zh"
# 蓝色向前走，橙色往回走，灰色是层自己的。其中有两处值得细看。
#
# ### `dweights` 为什么要对样本求和
#
# 所有样本共用同一个权重。它增加一点点，*每个*样本的输出都会动。所以它的梯度要对样本求和，
# 每个样本贡献的那一份就是第 1 章的乘积：自己的输入乘自己的 `dvalues`。

# %%
dvalues = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
one_by_one = sum(np.outer(inputs[n], dvalues[n]) for n in range(2))
dweights = inputs.T @ dvalues
print(dweights)
assert np.allclose(dweights, one_by_one)

# %% [markdown] lang="en"
# ### A broadcast forward is a sum backward
#
# The row of biases was copied to N rows. Through each copy it has a path to the loss, and where paths meet, they add:
# `dbiases` is the sum of the rows of `dvalues`. This is a rule for everything that was copied on the way forward,
# whether the copying was written down or done by NumPy in silence.

# %% [markdown] lang="zh"
# ### 前向时广播，反向时求和
#
# 偏置那一行被复制成了 N 行。每一份都有一条路通向损失，几条路汇合时相加，
# 所以 `dbiases` 就是 `dvalues` 各行之和。凡是前向时被复制过的东西都遵守这条规则，
# 不管是我们明写的复制，还是 NumPy 悄悄做的广播。

# %%
dbiases = dvalues.sum(axis=0, keepdims=True)
print("dbiases", dbiases, dbiases.shape)

# %% [markdown] lang="en"
# **Question.** Now the other way round: a loss takes the *mean* over N samples, a sum divided by N. What is the
# gradient of each sample's own loss?
#
# <details><summary>Answer</summary>
#
# 1/N for each. A sum forward is a broadcast backward: the one number that comes in from the right is copied to all that
# were added up, and the division by N stays. This is where the `/ N` at the end of every loss's backward step comes
# from.
#
# </details>

# %% [markdown] lang="zh"
# **想一想。** 反过来呢？损失要对 N 个样本取*平均*，也就是求和再除以 N。那么每个样本自己的损失，梯度是多少？
#
# <details><summary>答案</summary>
#
# 每个都是 1/N。前向时求和，反向时就是广播：右边传来的那一个数，复制给所有参加求和的项，除以 N 则照旧。
# 每种损失的反向一步最后都有 `/ N`，就是这么来的。
#
# </details>

# %% [markdown] lang="en"
# ## Checked by nudging
#
# Any loss will do for the check; the simplest one whose gradient by `output` is our `dvalues` is
# `sum(dvalues * output)`.

# %% [markdown] lang="zh"
# ## 用数值梯度核对
#
# 核对时用什么损失都可以。要让 `output` 的梯度正好是我们的 `dvalues`，最简单的是 `sum(dvalues * output)`。


# %%
def by_nudging(function, at, step=1e-5):
    """Slope of function(at) in each entry of the array `at`."""
    slopes = np.empty_like(at)
    for place in np.ndindex(at.shape):
        nudge = np.zeros_like(at)
        nudge[place] = step
        slopes[place] = (function(at + nudge) - function(at - nudge)) / (2 * step)
    return slopes


def loss(inputs, weights, biases):
    return np.sum(dvalues * (inputs @ weights + biases))


dinputs = dvalues @ weights.T
assert np.allclose(dinputs, by_nudging(lambda at: loss(at, weights, biases), inputs))
assert np.allclose(dweights, by_nudging(lambda at: loss(inputs, at, biases), weights))
assert np.allclose(dbiases, by_nudging(lambda at: loss(inputs, weights, at), biases))
print(dinputs)

# %% [markdown] lang="en"
# `dinputs` belongs to the samples: one row each, and nothing is summed over samples. The second row is twice the first,
# because its `dvalues` are.
#
# ## Let the shapes guard you
#
# **Question.** Someone writes `weights @ dvalues` instead of `dvalues @ weights.T`. Does anyone notice?
#
# <details><summary>Answer</summary>
#
# Here, yes: (4, 3) @ (2, 3) does not fit, and NumPy says so. But with *three* samples it fits, (4, 3) @ (3, 3), and the
# result is nonsense without any message: the sum runs over the neurons of one factor and over the samples of the other.
# The notebook this tutorial retells fell into exactly this trap. Test with sizes that all differ.
#
# </details>

# %% [markdown] lang="zh"
# `dinputs` 属于各个样本：一个样本一行，样本之间不相加。第二行是第一行的两倍，因为它的 `dvalues` 就是两倍。
#
# ## 让形状替你把关
#
# **想一想。** 有人把 `dvalues @ weights.T` 写成了 `weights @ dvalues`，会有人发现吗？
#
# <details><summary>答案</summary>
#
# 在这里会：(4, 3) @ (2, 3) 对不上，NumPy 会报错。可要是恰好有*三个*样本，(4, 3) @ (3, 3) 就乘得起来，
# 得到的数毫无意义，却没有任何提示：求和时，一个因子走的是神经元，另一个因子走的却是样本。
# 本教程所依据的那份笔记正是掉进了这个坑。所以测试时，各个大小都要取得不一样。
#
# </details>

# %%
try:
    weights @ dvalues
except ValueError:
    print("2 samples: NumPy refuses")
three = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
print("3 samples, wrong:")
print(weights @ three)
print("3 samples, right:")
print(three @ weights.T)

# %% [markdown] lang="en"
# ## The same with backpass
#
# `Dense` keeps its inputs when it goes forward, because `dweights` needs them on the way back.

# %% [markdown] lang="zh"
# ## 用 backpass 再做一遍
#
# `Dense` 在前向时会记住输入，因为往回走时算 `dweights` 要用到。

# %%
dense = bp.Dense(4, 3, dtype="float64")
dense.weights, dense.biases = weights, biases
print("output")
print(dense.forward(inputs))
returned = dense.backward(dvalues)
for name, ours, by_hand in (
    ("dinputs", returned, dinputs),
    ("dweights", dense.dweights, dweights),
    ("dbiases", dense.dbiases, dbiases),
):
    print(f"{name:8} {ours.shape} as by hand: {np.allclose(ours, by_hand)}")

# %% [markdown] lang="en"
# Next: [ReLU, softmax and the loss](3_relu_softmax_crossentropy.ipynb), the parts that are not matrix products.

# %% [markdown] lang="zh"
# 下一章：[ReLU、Softmax 与损失](3_relu_softmax_crossentropy.ipynb)，那些不是矩阵乘法的部件。
