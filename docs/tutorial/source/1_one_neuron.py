# %% [markdown] lang="en"
# # 1. One neuron and its gradient
#
# A neuron multiplies each of its inputs by a weight, adds everything up, and adds a bias. Training means: change
# the weights and the bias a little, again and again, so that the result gets better. A *gradient* says in which
# direction to change them. This chapter computes one by hand, checks it without any formula, and uses it.

# %% [markdown] lang="zh"
# # 1. 一个神经元和它的梯度
#
# 神经元做的事很简单：每个输入乘上一个权重，全部加起来，再加一个偏置。所谓训练，
# 就是一遍又一遍地把权重和偏置改动一点点，让结果越来越好。往哪个方向改？*梯度*会告诉我们。
# 这一章先手算一个梯度，再用不依赖任何公式的办法核对它，最后真的拿它来用。

# %%
import matplotlib.pyplot as plt
import numpy as np

import backpass as bp

np.set_printoptions(precision=4, suppress=True)
plt.style.use("../pictures.mplstyle")

# %% [markdown] lang="en"
# ## Forward
#
# Four inputs, so four weights. The neuron should answer 3, and the *loss* says how far off it is: the square of
# the difference.
#
# ```text
# output = sum_d inputs[d] * weights[d] + bias      inputs (4,), weights (4,), bias and output: one number each
# loss   = (output - target) ** 2                   one number
# ```

# %% [markdown] lang="zh"
# ## 前向传播
#
# 四个输入，所以有四个权重。我们希望神经元回答 3；*损失*衡量它差了多远，这里取差的平方。
#
# ```text
# output = sum_d inputs[d] * weights[d] + bias      inputs (4,)，weights (4,)，bias 和 output 各是一个数
# loss   = (output - target) ** 2                   一个数
# ```

# %%
inputs = np.array([1.0, 2.0, 3.0, 2.5])
weights = np.array([0.2, 0.8, -0.5, 1.0])
bias, target = 2.0, 3.0

output = inputs @ weights + bias
loss = (output - target) ** 2
print(f"output {output:.4f}, loss {loss:.4f}")

# %% [markdown] lang="en"
# ## Backward, by hand
#
# How does the loss change when a weight changes a little? Go from the loss back to the weight, one step at a time:
#
# - The loss is a square, so `d loss / d output = 2 * (output - target)`. We call this number `dvalues`: what comes
#   in from the right, from the loss.
# - The output contains `inputs[0] * weights[0]`. Raise `weights[0]` by a little, and the output rises `inputs[0]`
#   times as much.
# - The chain rule of school calculus multiplies the two.
#
# ```text
# dvalues  = 2 * (output - target)      one number
# dweights = dvalues * inputs           (4,)
# dbias    = dvalues                    one number: the bias is added as it is
# dinputs  = dvalues * weights          (4,)
# ```
#
# `dweights` is short for `d loss / d weights`; the other names are made in the same way.

# %% [markdown] lang="zh"
# ## 反向传播：手算
#
# 某个权重变一点点，损失会变多少？从损失出发，一步一步往回走到权重：
#
# - 损失是一个平方，所以 `d loss / d output = 2 * (output - target)`。这个数记作 `dvalues`：
#   它从右边、也就是从损失那边传过来。
# - 输出里有一项 `inputs[0] * weights[0]`。`weights[0]` 增加一点点，输出就增加它的 `inputs[0]` 倍。
# - 按链式法则，把两者相乘。
#
# ```text
# dvalues  = 2 * (output - target)      一个数
# dweights = dvalues * inputs           (4,)
# dbias    = dvalues                    一个数：偏置是原样加上去的
# dinputs  = dvalues * weights          (4,)
# ```
#
# `dweights` 是 `d loss / d weights` 的简写，其余的名字也是这样来的。

# %%
dvalues = 2 * (output - target)
dweights = dvalues * inputs
dbias = dvalues
dinputs = dvalues * weights
print(f"dvalues {dvalues:.4f}, dbias {dbias:.4f}")
print("dweights", dweights)
print("dinputs ", dinputs)

# %% [markdown] lang="en"
# The third input, 3, is the largest, and so is the gradient of its weight: the loss reacts most strongly to it. All
# entries of `dweights` are positive, so every weight should go *down*. No wonder: 4.8 is more than 3.

# %% [markdown] lang="zh"
# 第三个输入是 3，四个里最大，它的权重的梯度也最大：损失对这个权重最敏感。`dweights` 全是正数，
# 也就是说每个权重都该*减小*。这不奇怪：输出 4.8 比目标 3 大。

# %% [markdown] lang="en"
# ## The same without any formula
#
# A gradient is a slope, and a slope can be measured. Nudge one weight up by `step`, compute the loss again, and see
# how much it has changed for each unit of nudging. For the first weight:

# %% [markdown] lang="zh"
# ## 不用公式，再来一次
#
# 梯度就是斜率，而斜率是可以量出来的：把一个权重往上拨 `step` 这么一点，重新算损失，看平均每拨一个单位，
# 损失变了多少。先看第一个权重：


# %%
def loss_of(weights, bias):
    return (inputs @ weights + bias - target) ** 2


first = np.array([1.0, 0.0, 0.0, 0.0])
for step in (0.1, 0.01, 0.001):
    one_sided = (loss_of(weights + step * first, bias) - loss) / step
    two_sided = (loss_of(weights + step * first, bias) - loss_of(weights - step * first, bias)) / (2 * step)
    print(f"step {step:5}: one-sided {one_sided:.4f}, two-sided {two_sided:.4f}")

# %% [markdown] lang="en"
# Nudged in one direction, the slope is off by `step`: a parabola bends away from its tangent. Nudged up *and* down,
# the two errors cancel. So we always nudge in both directions ("central differences").
#
# **Question.** The smaller the step, the better? What happens with a step of 1e-17?
#
# <details><summary>Answer</summary>
#
# The slope comes out as 0. A float64 number holds about 16 digits, so `0.2 + 1e-17` is rounded to `0.2`: nothing
# was nudged. Too large a step suffers from the bend, too small a one from rounding. 1e-5 is a good middle.
#
# </details>

# %% [markdown] lang="zh"
# 只往一边拨，量出的斜率恰好差了 `step`，因为抛物线会弯离它的切线。往上、往下各拨一次，两边的误差就抵消了。
# 所以我们总是两边都拨，这叫“中心差分”，得到的结果叫数值梯度。
#
# **想一想。** 步长越小越好吗？如果取 1e-17 会怎样？
#
# <details><summary>答案</summary>
#
# 斜率会变成 0。float64 大约只有 16 位有效数字，`0.2 + 1e-17` 舍入之后还是 `0.2`，等于没有拨。
# 步长太大，误差来自曲线的弯曲；步长太小，误差来自舍入。取 1e-5 比较合适。
#
# </details>


# %%
def by_nudging(function, at, step=1e-5):
    """Slope of function(at) in each entry of the array `at`."""
    slopes = np.empty_like(at)
    for place in np.ndindex(at.shape):
        nudge = np.zeros_like(at)
        nudge[place] = step
        slopes[place] = (function(at + nudge) - function(at - nudge)) / (2 * step)
    return slopes


measured = by_nudging(lambda weights: loss_of(weights, bias), weights)
print("by hand   ", dweights)
print("by nudging", measured)
assert np.allclose(dweights, measured, rtol=1e-6)
assert 0.2 + 1e-17 == 0.2

# %% [markdown] lang="en"
# The two agree. This check needs no calculus at all, so it can judge any gradient, however long its formula. Every
# chapter uses it.

# %% [markdown] lang="zh"
# 两者一致。这种核对完全不用微积分，所以不管公式多长，任何梯度都可以拿它来检验。后面每一章都会用到。

# %% [markdown] lang="en"
# ## Downhill
#
# The gradient points uphill, so we go the other way, by a fraction of it, the *learning rate*:
#
# ```text
# weights = weights - learning_rate * dweights      (4,)
# bias    = bias    - learning_rate * dbias         one number
# ```

# %% [markdown] lang="zh"
# ## 下山
#
# 梯度指向上坡，所以我们朝相反的方向走，步子取梯度的若干分之一，这个比例叫*学习率*：
#
# ```text
# weights = weights - learning_rate * dweights      (4,)
# bias    = bias    - learning_rate * dbias         一个数
# ```


# %%
def descend(learning_rate, steps):
    """Losses before each of the steps and after the last."""
    weights, bias, losses = np.array([0.2, 0.8, -0.5, 1.0]), 2.0, []
    for _ in range(steps):
        losses.append(loss_of(weights, bias))
        dvalues = 2 * (inputs @ weights + bias - target)
        weights = weights - learning_rate * dvalues * inputs
        bias = bias - learning_rate * dvalues
    return [*losses, loss_of(weights, bias)]


print("learning rate 0.01:", np.array(descend(0.01, 5)))

# %% [markdown] lang="en"
# **Question.** With a learning rate of 0.01 the loss falls to a third at each step. Is 0.05, five times as much, five
# times as good?
#
# <details><summary>Answer</summary>
#
# No: it goes too far. Each step multiplies the difference `output - target` by `1 - 42.5 * learning_rate`. (The 42.5
# is twice the sum of all squared inputs, plus 2 for the bias.) For 0.01 this is 0.575. For 0.04 it is -0.7: every step
# lands on the other side, but nearer. For 0.05 it is -1.125: on the other side and farther away. The loss grows.
#
# </details>

# %% [markdown] lang="zh"
# **想一想。** 学习率取 0.01 时，每走一步损失就降到原来的三分之一。换成五倍大的 0.05，会好五倍吗？
#
# <details><summary>答案</summary>
#
# 不会，步子迈过头了。每走一步，差值 `output - target` 都乘上 `1 - 42.5 * learning_rate`
# （42.5 是各输入平方和的两倍，再加上偏置的 2）。学习率是 0.01 时，这个因子是 0.575；是 0.04 时为 -0.7，
# 每一步都跨到谷底的另一侧，但离谷底更近了；是 0.05 时为 -1.125，不但跨到另一侧，还越跨越远，损失反而上升。
#
# </details>

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
around = np.linspace(-2.6, 2.0, 200)
left.plot(around, [loss_of(np.array([w, *weights[1:]]), bias) for w in around], label="loss")
left.plot(around, loss + dweights[0] * (around - weights[0]), "--", label=f"tangent, slope {dweights[0]:.1f}")
left.plot(weights[0], loss, "o", color="black", label="now")
left.set(xlabel="weights[0]", ylabel="loss", ylim=(-1, 13), title="A gradient is a slope")
left.legend(loc="upper center")

for learning_rate, marker in ((0.01, "o"), (0.04, "s"), (0.05, "^")):
    right.plot(descend(learning_rate, 10), marker=marker, markersize=4, label=f"learning rate {learning_rate}")
right.set(xlabel="step", ylabel="loss", yscale="log", title="Too long a step climbs")
right.legend(loc="lower left")
plt.show()

# %% [markdown] lang="en"
# ## The same with backpass
#
# A `Dense` layer with one neuron, and the squared error as its loss. `backward` of the loss gives `dvalues`, `backward`
# of the layer takes it, sets `dweights` and `dbiases`, and returns `dinputs`. The layer works on tables (rows are
# samples), so everything has one more pair of brackets; the next chapter says why.

# %% [markdown] lang="zh"
# ## 用 backpass 再做一遍
#
# 只有一个神经元的全连接层 `Dense`，损失用平方误差。损失的 `backward` 给出 `dvalues`；
# 层的 `backward` 接过它，算好 `dweights` 和 `dbiases`，并返回 `dinputs`。层处理的是表格（一行一个样本），
# 所以到处都多了一对方括号，原因下一章会讲。

# %%
neuron, squared_error = bp.Dense(4, 1, dtype="float64"), bp.MeanSquaredError()
neuron.weights, neuron.biases = weights.reshape(4, 1), [[bias]]

y_pred = neuron.forward([inputs])
print(f"loss     {squared_error.calculate(y_pred, [[target]]):.4f}")
returned = neuron.backward(squared_error.backward(y_pred, [[target]]))
print("dweights", neuron.dweights.ravel(), " dbiases", neuron.dbiases.ravel())
print("dinputs ", returned.ravel())
assert np.allclose(neuron.dweights.ravel(), dweights)
assert np.allclose(returned.ravel(), dinputs)

# %% [markdown] lang="en"
# Next: [a layer and a batch](2_layer_and_batch.ipynb), where gradients from several paths meet.

# %% [markdown] lang="zh"
# 下一章：[一层神经元，一批样本](2_layer_and_batch.ipynb)，看几条路上的梯度怎样汇合。
