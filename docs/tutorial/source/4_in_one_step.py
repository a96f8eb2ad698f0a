# %% [markdown] lang="en"
# # 4. Softmax and cross-entropy in one step
#
# At the end of a classifier softmax and cross-entropy always stand together. Taken together, their gradient is one
# subtraction: simpler, faster, and right even where the separate way breaks down.

# %% [markdown] lang="zh"
# # 4. Softmax 与交叉熵合为一步
#
# 在分类器的末尾，Softmax 和交叉熵总是一起出现。合起来求梯度，只剩下一次减法：更简单，更快，
# 而且在分步计算会失效的地方依然正确。

# %%
from time import process_time
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import backpass as bp

np.set_printoptions(precision=4, suppress=True)
plt.style.use("../pictures.mplstyle")

# %% [markdown] lang="en"
# ## On paper
#
# Take one sample with probabilities `p` and true class `t`. The loss sends back `-1 / p[t]` to the probability of the
# true class, and 0 to the others (chapter 3). Softmax multiplies this with its Jacobian, of which only column `t`
# matters:
#
# ```text
# dinputs[c] = jacobian[c, t] * (-1 / p[t])
#            = (p[c] * (1 if c == t else 0) - p[c] * p[t]) * (-1 / p[t])
#            = p[c] - (1 if c == t else 0)
# ```
#
# The loss divides by `p[t]`, softmax multiplies by it again, and both are gone. For a whole batch, with the 1/N of the
# mean, and `y_true` one-hot:
#
# ```text
# dinputs = (output - y_true) / N          (N, C) - (N, C) -> (N, C)
# ```
#
# Read it as a sentence: what the network said, minus what is true.

# %% [markdown] lang="zh"
# ## 在纸上推一遍
#
# 取一个样本，概率为 `p`，真实类别是 `t`。损失给真实类别的概率传回 `-1 / p[t]`，给其他的传回 0（第 3 章）。
# Softmax 拿它乘上自己的雅可比矩阵，只有第 `t` 列起作用：
#
# ```text
# dinputs[c] = jacobian[c, t] * (-1 / p[t])
#            = (p[c] * (c == t 时为 1，否则为 0) - p[c] * p[t]) * (-1 / p[t])
#            = p[c] - (c == t 时为 1，否则为 0)
# ```
#
# 损失除以 `p[t]`，Softmax 又乘以 `p[t]`，两者抵消。对一整批样本，加上取平均的 1/N，`y_true` 写成独热编码：
#
# ```text
# dinputs = (output - y_true) / N          (N, C) - (N, C) -> (N, C)
# ```
#
# 这个式子可以念成一句话：网络说的，减去真实的。

# %%
probabilities = np.array([[0.7, 0.1, 0.2], [0.1, 0.5, 0.4], [0.02, 0.9, 0.08]])
labels = np.array([0, 1, 1])

crossentropy, softmax, step = bp.CategoricalCrossentropy(), bp.Softmax(), bp.SoftmaxCrossentropy()
softmax.output = probabilities
separate = softmax.backward(crossentropy.backward(probabilities, labels))
combined = step.backward(probabilities, labels)
print(combined)
assert np.allclose(combined, separate)
assert np.allclose(combined, (probabilities - np.eye(3)[labels]) / 3)

# %% [markdown] lang="en"
# Every row adds up to 0: what the true class gains, the others lose. And no entry can be larger than 1/N, whereas
# `-1 / p` knows no limit.
#
# **Question.** Three people label a picture, two say "cat", one says "dog": the target is `[2/3, 1/3, 0]`. Does the
# formula still hold? The notebook's version takes the `argmax` of each target row first; does that still work?
#
# <details><summary>Answer</summary>
#
# The formula holds as it stands, for every target whose row adds up to 1. With the `argmax` the target becomes
# `[1, 0, 0]`, and the gradient is that of another problem. The next cell measures it.
#
# </details>

# %% [markdown] lang="zh"
# 每一行加起来都是 0：真实类别多得的，正是其他类别失去的。而且没有一个数会超过 1/N，而 `-1 / p` 却没有上限。
#
# **想一想。** 三个人给一张图片标注，两个说“猫”，一个说“狗”，目标就是 `[2/3, 1/3, 0]`。公式还成立吗？
# 笔记里的写法会先对目标的每一行取 `argmax`，这样还行得通吗？
#
# <details><summary>答案</summary>
#
# 公式照样成立，只要目标的每一行加起来是 1。取了 `argmax`，目标就成了 `[1, 0, 0]`，
# 算出来的是另一个问题的梯度。下面就来量一量。
#
# </details>

# %%
logits, target = np.array([[1.0, 0.5, -1.0]]), np.array([[2 / 3, 1 / 3, 0]])
slopes = np.empty((1, 3))
for c in range(3):
    nudge = 1e-5 * np.eye(3)[c]
    slopes[0, c] = (step.forward(logits + nudge, target) - step.forward(logits - nudge, target)) / 2e-5
step.forward(logits, target)
print("by nudging     ", slopes)
print("output - y_true", step.backward(step.output, target))
print("with the argmax", step.backward(step.output, [0]))
assert np.allclose(step.backward(step.output, target), slopes)

# %% [markdown] lang="en"
# ## Faster
#
# The textbook's separate way builds a Jacobian for every sample, C x C numbers, and multiplies. The separate way of
# backpass multiplies it out by hand. The combined step does one subtraction. Microseconds of processor
# time for one backward step, the best of 40 tries, measured once on a busy machine; yours will print other numbers:

# %% [markdown] lang="zh"
# ## 更快
#
# 教科书的分步算法给每个样本造一个 C × C 的雅可比矩阵，再做乘法；backpass 的分步算法把它乘开了；
# 合并之后只剩一次减法。下面是一次反向所用的处理器时间，
# 单位是微秒，取 40 次里最快的一次。这是在一台繁忙的机器上测了一遍的结果，在你的机器上数字会不同：


# %%
def textbook(probabilities, labels):
    N, C = probabilities.shape
    dvalues = -np.eye(C)[labels] / probabilities / N
    dinputs = np.empty_like(dvalues)
    for n, p in enumerate(probabilities):
        dinputs[n] = (np.diag(p) - np.outer(p, p)) @ dvalues[n]
    return dinputs


def apart(probabilities, labels):
    softmax.output = probabilities
    return softmax.backward(crossentropy.backward(probabilities, labels))


assert np.allclose(textbook(probabilities, labels), combined)

# %% tags=["timing"]
print("   N x C    textbook     apart  one step    textbook/one step  apart/one step")
for N, C in ((3, 3), (300, 3), (1000, 10)):
    generator = np.random.RandomState(0)
    p, y = bp.Softmax().forward(generator.standard_normal((N, C))), generator.randint(0, C, N)
    times = []
    for function in (textbook, apart, step.backward):
        number = 300 // N + 2
        tries = repeat(lambda f=function, p=p, y=y: f(p, y), timer=process_time, number=number, repeat=40)
        times.append(min(tries) / number * 1e6)
    slow, middle, fast = times
    print(f"{N:4} x {C:<2}  {slow:10.1f} {middle:9.1f} {fast:9.1f}    {slow / fast:17.1f} {middle / fast:15.1f}")

# %% [markdown] lang="en"
# ## Right where the separate way breaks down
#
# The logits are `[0, 800, 1]`, the true class is 0. Its probability is about e to the power of -800, smaller than any
# float64 above 0, so it is rounded to 0. On the separate way this 0 first meets a logarithm and then a division:

# %% [markdown] lang="zh"
# ## 分步失效的地方，它依然正确
#
# logits 取 `[0, 800, 1]`，真实类别是 0。它的概率大约是 e 的 -800 次方，比 float64 能表示的最小正数还小，
# 于是被舍入成 0。分步计算时，先要对这个 0 取对数，然后还要除以它：

# %%
logits, labels = np.array([[0.0, 800.0, 1.0]]), np.array([0])
probabilities = softmax.forward(logits)
print("probabilities     ", probabilities)
print("separate: loss    ", crossentropy.calculate(probabilities, labels))
print("          gradient", softmax.backward(crossentropy.backward(probabilities, labels)))
print("one step: loss    ", step.forward(logits, labels))
print("          gradient", step.backward(step.output, labels))

# %% [markdown] lang="en"
# Infinity times 0 is "not a number", and one such number in a gradient ruins every weight it reaches. The combined
# step starts from the logits and takes the logarithm *before* anything is rounded to 0:
#
# ```text
# loss[n] = log(sum_k exp(inputs[n, k])) - inputs[n, label[n]]         (N, C), (N,) -> (N,)
# ```
#
# With the largest logit subtracted first, no `exp` can overflow and the sum is at least 1. No division by a
# probability, anywhere.
#
# **Question.** The notebook *clips* instead: probabilities below 1e-7 are raised to 1e-7 before the logarithm. What is
# the slope of the clipped loss where it clips?
#
# <details><summary>Answer</summary>
#
# 0: the loss is flat there, stuck at `-log(1e-7) = 16.1`. The samples the network is most wrong about would teach it
# nothing. The notebook does not clip in its backward step, so its gradient does not vanish, but then it is not the
# gradient of its loss. backpass clips nothing.
#
# </details>

# %% [markdown] lang="zh"
# 无穷大乘 0 得到“非数”（nan）。梯度里只要有一个这样的数，它到过的权重就全毁了。合并的算法从 logits 算起，
# 在任何东西被舍入成 0 *之前*就取对数：
#
# ```text
# loss[n] = log(sum_k exp(inputs[n, k])) - inputs[n, label[n]]         (N, C), (N,) -> (N,)
# ```
#
# 先减去最大的 logit，`exp` 就不会溢出，而且和至少是 1。从头到尾都不除以概率。
#
# **想一想。** 笔记用的办法是*截断*：取对数之前，把小于 1e-7 的概率提到 1e-7。在被截断的地方，损失的斜率是多少？
#
# <details><summary>答案</summary>
#
# 是 0：损失在那里是平的，停在 `-log(1e-7) = 16.1`。网络错得最厉害的样本，反而什么也教不了它。
# 笔记在反向时并没有截断，所以梯度没有消失，但那也就不再是它那个损失的梯度了。backpass 什么都不截断。
#
# </details>

# %%
gaps = np.linspace(0, 1000, 1001)
pairs = np.stack([np.zeros_like(gaps), gaps], axis=1)
truth = np.zeros(len(gaps), int)
rows = softmax.forward(pairs)
separate = crossentropy.forward(rows, truth)
one_step = step.sample_losses(pairs, truth)
last = np.flatnonzero(np.isfinite(separate))[-1]

figure, axes = plt.subplots(figsize=(7.2, 3.6))
axes.plot(gaps, one_step, color="C2", linewidth=5, alpha=0.5, label="one step")
axes.plot(gaps, separate, color="C0", label="separate")
axes.plot(gaps[last], separate[last], "X", color="C0", markersize=10, label=f"infinite after {gaps[last]:.0f}")
axes.plot(gaps, -np.log(np.maximum(rows[:, 0], 1e-7)), "--", color="C1", label="separate, clipped at 1e-7")
axes.set(xlabel="how far the true class's logit lies below the other one", ylabel="loss of the sample")
axes.legend()
plt.show()
assert np.allclose(one_step, np.logaddexp(0, gaps))

# %% [markdown] lang="en"
# When a `Network` ends with `Softmax` and `CategoricalCrossentropy`, backpass trains the two as this one step.
#
# Next: [a whole pass](5_whole_pass.ipynb), from the data to every gradient and back downhill.

# %% [markdown] lang="zh"
# 只要 `Network` 以 `Softmax` 和 `CategoricalCrossentropy` 结尾，backpass 训练时就把两者当作这样的一步。
#
# 下一章：[完整的一遍](5_whole_pass.ipynb)，从数据出发算出每一个梯度，然后下山。
