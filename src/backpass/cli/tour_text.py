"""What `backpass tour` says, in both languages side by side. Figures in braces are computed by the stops in tour.py."""

from __future__ import annotations

LANGUAGES = ("en", "zh")

TEXT: dict[str, tuple[str, str]] = {  # key: (en, zh)
    # Words on the page.
    "backpass": ("backpass", "backpass"),
    "notebook": ("notebook", "笔记"),
    "difference": ("difference", "相差"),
    "nudging": ("by nudging", "数值梯度"),
    "other_form": ("one-hot", "独热"),
    "jacobian": ("Jacobian", "雅可比"),
    "separate": ("separate", "分步"),
    "clipped": ("clipped", "截断后"),
    "paper": ("on paper", "手算"),
    "argmax": ("argmax", "argmax"),
    "wrong_axis": ("wrong axis", "乘错轴"),
    "agrees": ("agrees", "一致"),
    "differs": ("does not agree", "不一致"),
    "limit": ("limit {limit}", "允许误差 {limit}"),
    "limit_relative": ("limit {limit} of the largest entry", "允许误差：最大元素的 {limit}"),
    "shapes": ("shapes {ours} and {other} cannot be subtracted: ", "形状 {ours} 与 {other} 无法相减："),
    "verdict": ("{difference} ({limit}): ", "{difference}（{limit}）："),
    "cell": ("cell {cell}", "单元格 {cell}"),
    "result": ("{name} of {cell}", "{cell} 的 {name}"),
    "comma": ("; ", "；"),
    "pause": ("Enter to go on ", "按回车键继续 "),
    # The beginning.
    "title": ("Backpropagation, with its numbers recomputed", "反向传播：每个数都重新算一遍"),
    "intro": (
        "This is a walk through the notebook, in its own order. Every number below was computed a moment ago by "
        "the parts of backpass. Where the notebook printed a number, that number stands under ours, followed by "
        "the largest difference between the two.",
        "我们按笔记原来的顺序走一遍。下面的每个数都是刚刚由 backpass 的部件算出来的；凡是笔记里印出过结果的地方，"
        "都把它的数排在我们的数下面，再写出两者最大的差。",
    ),
    "words": (
        "Two names return at every stop. `dvalues` comes in from the right: how much the loss changes when a "
        "part's output changes a little. `dinputs` goes out to the left: how much the loss changes when its "
        "inputs change a little. Turning the one into the other is all that a part has to know. Doing it part "
        "after part, from the loss back to the data, is backpropagation.",
        "有两个名字每一站都会碰到。`dvalues` 从右边来：输出变一点点，损失跟着变多少。`dinputs` 往左边去：输入变一"
        "点点，损失跟着变多少。一个部件要会的，只是把前者变成后者；从损失出发，一个部件接一个部件往回算，一直算到"
        "数据，就是反向传播。",
    ),
    "axes": ("Axes: N samples, D inputs, M neurons, C classes.", "记号：N 个样本，D 个输入，M 个神经元，C 个类别。"),
    # Cell 2.
    "single": ("A single gradient", "单个样本的梯度"),
    "single.paths": (
        "One sample, four inputs, three neurons. From the right comes a 1 for each neuron. An input reaches the "
        "loss through all three neurons, so its gradient has three parts, each multiplied by the weight on that "
        "path. For the first input:",
        "一个样本，四个输入，三个神经元，右边给每个神经元传来一个 1。一个输入要经过三个神经元才影响到损失，所以它"
        "的梯度由三份相加，每一份都乘上那条路上的权重。拿第一个输入来说：",
    ),
    "single.product": (
        "For all inputs at once this is a matrix product. The inputs' own values do not occur in it: whatever "
        "went forward, the same `dinputs` come back.",
        "把四个输入写在一起，就是一次矩阵乘法。式子里没有出现输入自己的值：前向时不管送进去什么，回来的 `dinputs` "
        "都一样。",
    ),
    # Cell 3.
    "batch": ("A batch of gradients", "一批样本的梯度"),
    "batch.parameters": (
        "Three samples at once; the gradients that come in are 1, 2 and 3. All samples share the weights, so what "
        "each of them asks of the weights is added up: the product with `inputs.T` sums over the samples. A bias "
        "was added to every sample as it is, so its gradient is the plain sum.",
        "这回三个样本一起来，传进来的梯度分别是 1、2、3。权重是大家共用的，各个样本对它的要求要加在一起：左乘 "
        "`inputs.T` 就是在对样本求和。偏置是原样加到每个样本上的，所以它的梯度就是直接求和。",
    ),
    "batch.dinputs": (
        "`dinputs` belongs to the samples: a row for each, and nothing is summed over samples. Row by row it is "
        "the gradient of cell 2, times 1, 2 and 3. The notebook printed something else:",
        "`dinputs` 是属于样本的：一个样本一行，样本之间不相加。一行一行看，就是单元格 2 的梯度乘以 1、2、3。笔记"
        "印出来的却不是这样：",
    ),
    "batch.why": (
        "Why? With one row of weights a neuron, as in that cell, the right product is `dvalues @ weights`. The "
        "notebook took `weights.T @ dvalues`: inputs x neurons, times samples x neurons. A matrix product sums "
        "over the two inner axes, and here those are the neurons of one factor and the samples of the other: the "
        "weight of neuron 2 meets the gradient of sample 2. That means nothing, and it is only possible because "
        "there are as many samples as neurons. The square shape hides the mistake. Made on purpose, with our "
        "weights as they lie in `Dense` (D x M), it gives the printed numbers:",
        "错在哪里？在那个单元格里，一行权重是一个神经元，正确的乘法是 `dvalues @ weights`，笔记写的却是 "
        "`weights.T @ dvalues`，也就是（输入 × 神经元）乘（样本 × 神经元）。矩阵乘法对靠里的两个轴求和，在这里，"
        "一个是神经元，另一个却是样本：第 2 个神经元的权重碰上了第 2 个样本的梯度，这没有任何意义。能乘得起来，只"
        "是因为样本和神经元恰好一样多；方阵把错误藏住了。我们故意照样错一次（`Dense` 里的权重是 D × M 的），得到"
        "的正是印出来的数：",
    ),
    "batch.two": ("With two samples instead of three, NumPy says no:", "把三个样本换成两个，NumPy 就不答应了："),
    "batch.nudging": (
        "Who is right can be decided without any formula. Nudge each input a little, up and down, and watch the "
        "loss, here `sum(dvalues * output)`:",
        "不靠任何公式也能断定谁对。把每个输入往上、往下各拨动一点点，看损失（这里就是 `sum(dvalues * output)`）怎"
        "么变：",
    ),
    # Cell 4.
    "dense": ("Dense", "全连接层 Dense"),
    "dense.forward": (
        "The layer puts this together. Forward, it remembers its inputs, because `dweights` will need them. "
        "Backward, it computes three gradients: two for its own parameters, one to hand on.",
        "全连接层把上面这些装到一起。前向时它记住输入，因为算 `dweights` 要用到；反向时它算三个梯度：两个留给自己"
        "的参数，一个往左传。",
    ),
    "dense.nudging": (
        "The gradients of the weights stand the same test, each of the {count} weights nudged up and down by 0.00001:",
        "权重的梯度也经得起同样的检验：{count} 个权重，每个都上下各拨动 0.00001：",
    ),
    "dense.start": (
        'A layer begins with random weights. `Dense(2, 3, initializer="small_normal")` begins as the notebook\'s '
        "does: a hundredth of a standard normal number for each weight, and biases of 0.",
        '一层刚开始时权重是随机的。`Dense(2, 3, initializer="small_normal")` 的起点和笔记相同：每个权重是标准正态'
        "随机数的百分之一，偏置都是 0。",
    ),
    # Cell 5.
    "relu": ("ReLU", "激活函数 ReLU"),
    "relu.gate": (
        "ReLU lets what is positive through and makes 0 of the rest. Where a number got through, a small change "
        "of it gets through as well, and so does the gradient. Where 0 came out, a small change changes nothing, "
        "and the gradient ends there. It gets the Dense layer's outputs; of those {total}, {blocked} is not above "
        "0.",
        "ReLU 让正数通过，其余一律变成 0。数通过了，它的微小变化也就通过，梯度照样往回传；出来的是 0，微小的变化"
        "就不起作用，梯度到此为止。现在把全连接层的输出交给它：{total} 个数里有 {blocked} 个不大于 0。",
    ),
    "relu.zero": (
        "At exactly 0 there is no derivative. The notebook takes 0 there, and so do we. For the inputs -1, 0 and 2:",
        "恰好等于 0 的地方没有导数。笔记在那里取 0，我们也一样。输入是 -1、0、2 时：",
    ),
    # Cell 6.
    "softmax": ("Softmax", "激活函数 Softmax"),
    "softmax.forward": (
        "Softmax makes probabilities of a row of numbers. The row's largest number is subtracted first: the "
        "result stays the same, and `exp` cannot overflow. It gets what came out of ReLU.",
        "Softmax 把一行数变成一行概率。先减去这一行里最大的数：结果不变，而 `exp` 不会溢出。送进去的是 ReLU 的输出。",
    ),
    "softmax.jacobian": (
        "Each probability depends on every number of its row. So there is a matrix of derivatives for each "
        "sample, the Jacobian, C x C. Here is the first sample's: ours by sending a 1 back from each output in "
        "turn, and below it the formula, built as a matrix.",
        "每个概率都和这一行所有的数有关，所以每个样本有一个 C × C 的导数矩阵，叫雅可比矩阵。下面是第一个样本的："
        "我们的数，是从每个输出轮流传回一个 1 得到的；它下面的，是按公式拼出来的矩阵。",
    ),
    "softmax.rows": (
        "Its rows add up to 0 (here to {largest_sum} at most): raise all inputs alike, and the probabilities stay.",
        "它每一行加起来是 0（这里最多差 {largest_sum}）：所有输入一起抬高，概率不变。",
    ),
    "softmax.kernel": (
        "To multiply with this matrix it need not be built. Multiplied out, about C operations a sample remain of "
        "C x C. That is what our kernel does, for any incoming gradient; the notebook builds the matrix for each "
        "sample. Take `[1, -2, 3]` for every sample:",
        "要乘这个矩阵，并不需要先把它造出来：把括号乘开，每个样本的运算从 C × C 次降到大约 C 次。我们的内核就是这"
        "样做的，传进来什么样的梯度都行；笔记则给每个样本造一个矩阵。给每个样本传入 `[1, -2, 3]`：",
    ),
    # Cell 7.
    "loss": ("The loss", "损失"),
    "loss.mean": (
        "A loss says, sample by sample, how wrong a prediction is; training looks at the mean. These are the "
        "probabilities of cell 35, with the true classes 0, 1 and 1.",
        "损失逐个样本地衡量预测错得有多厉害，训练看的是它们的平均值。这里用单元格 35 的概率，真实类别是 0、1、1。",
    ),
    "loss.share": (
        "Because of the mean, a sample has a share of 1/N in the gradient. This is the division by N that ends "
        "the backward step of every loss.",
        "因为取了平均，每个样本在梯度里只占 1/N。各种损失的反向一步最后都要除以 N，就是从这里来的。",
    ),
    # Cell 29.
    "crossentropy": ("Cross-entropy, sparse and one-hot", "交叉熵：稀疏标签与独热标签"),
    "crossentropy.forms": (
        "The truth comes as a label, such as 1, or as a one-hot row, such as `[0, 1, 0]`. Both mean the same and "
        "give the same.",
        "真实类别可以写成一个标签，比如 1，也可以写成一行独热码，比如 `[0, 1, 0]`。两种写法意思相同，结果也相同。",
    ),
    "crossentropy.clip": (
        "The notebook clips the probabilities to 1e-7 before it takes the logarithm, but not before it divides by "
        "them: where it clips, its gradient is not the gradient of its loss. We clip nothing. If the true class "
        "got a probability of 1e-20, then:",
        "笔记在取对数之前把概率截断到不小于 1e-7，做除法时却没有截断：凡是被截断的地方，它的梯度就不再是它那个损"
        "失的梯度了。我们什么都不截断。假如真实类别只得到 1e-20 的概率，那么：",
    ),
    "crossentropy.zero": (
        "A true class with a probability of exactly 0 costs {zero}. The next stop shows how to stay clear of that.",
        "真实类别的概率恰好是 0 时，损失就是 {zero}。下一站会看到怎样不落到这一步。",
    ),
    # Cell 30.
    "combined": ("Softmax and cross-entropy in one step", "Softmax 与交叉熵合为一步"),
    "combined.cancel": (
        "One after the other, the loss divides by a probability and softmax multiplies by it again. Both cancel, "
        "and one subtraction is left.",
        "两步连着做，损失先除以一个概率，Softmax 又把它乘回来。两者抵消，只剩下一次减法。",
    ),
    "combined.soft": (
        "Soft labels. A target may be spread over several classes, such as `[0.6, 0.3, 0.1]`, when people "
        "disagree about a sample. The formula holds for it as it stands. We nudge the logits to be sure:",
        "软标签。目标也可以按比例分给几个类别，比如大家对一个样本看法不一时，写成 `[0.6, 0.3, 0.1]`。上面的公式对"
        "它照样成立。把 logits 拨动一下来核对：",
    ),
    "combined.argmax": (
        "The notebook's combined step first takes the argmax of every row. That is harmless for one-hot rows, but "
        "makes `[1, 0, 0]` of `[0.6, 0.3, 0.1]`: its gradient belongs to another target.",
        "笔记的合并算法先对每一行取 argmax。独热码不受影响，`[0.6, 0.3, 0.1]` 却会变成 `[1, 0, 0]`：算出来的是另"
        "一个目标的梯度。",
    ),
    "combined.overflow": (
        "Large logits. Take `[0, 800, 1]`, where the true class is 0. Its probability, about e to the power of "
        "-800, is rounded to 0. The separate route takes the logarithm of this 0 and divides by it:",
        "很大的 logits。取 `[0, 800, 1]`，真实类别是 0。它的概率大约是 e 的 -800 次方，被舍入成了 0。分步计算要对"
        "这个 0 取对数，还要除以它：",
    ),
    "combined.logits": (
        "The combined step starts from the logits and never divides by a probability. This is why training goes "
        "this way.",
        "合并算法从 logits 算起，从不除以概率。训练时走的就是这条路。",
    ),
    # Cell 33.
    "whole": ("The whole pass", "完整的一遍"),
    "whole.chain": (
        "All parts in a row: {N} points on three spiral arms. All random numbers come from one `RandomState(39)`: "
        "first the spiral, then `dense1`, then `dense2`. Like the notebook we compute in float32 here.",
        "把所有部件连起来：三条螺旋臂上共 {N} 个点。随机数全部出自同一个 `RandomState(39)`：先是螺旋数据，再是 "
        "`dense1`，最后是 `dense2`。这一站和笔记一样用 float32 计算。",
    ),
    "whole.small": (
        "With weights this small the network says 1/3 to everything: the loss is `ln 3 = {ln3:.7f}` but for "
        "{rest:.0e}. Now back, from right to left, each part taking the `dinputs` of the one to its right as its "
        "`dvalues`:",
        "权重这样小，网络对什么都回答 1/3：损失就是 `ln 3 = {ln3:.7f}`，只差 {rest:.0e}。现在从右往左走，每个部件"
        "把右边那个部件的 `dinputs` 当作自己的 `dvalues`：",
    ),
    "whole.cancel": (
        "`dense2.dbiases` is a sum of {N} terms as large as {term:.1e} which nearly cancel, so the rounding of "
        "float32 shows. Exactly computed, its three entries add up to 0; the notebook's add up to "
        "{printed_sum:.1e}, ours in float64 to {exact_sum:.0e}. So its limit is {limit:.0e}, absolute.",
        "`dense2.dbiases` 是 {N} 项之和，单项大到 {term:.1e}，加起来却几乎抵消，float32 的舍入误差就显出来了。精"
        "确地算，它的三个数之和应当是 0；笔记的加起来是 {printed_sum:.1e}，我们用 float64 算的是 "
        "{exact_sum:.0e}。所以这里的允许误差按绝对值取 {limit:.0e}。",
    ),
    "whole.tie": (
        "The accuracy has a rounding in it, too: in float64 it is {accuracy:.4f}. In float32 {ties} sample gets "
        "the same probability for two classes, and argmax takes the first, which happens to be right.",
        "准确率里也有一点舍入：用 float64 算是 {accuracy:.4f}。在 float32 里有 {ties} 个样本的两个类别概率完全相"
        "等，argmax 取了前一个，碰巧对了。",
    ),
    # Cell 35.
    "speed": ("Is the combined step faster?", "合并之后快多少"),
    "speed.printed": (
        "For 10000 calls the notebook printed {combined:.4f} s combined and {separate:.4f} s separate. Measured "
        "here just now, for a moment only: backward, with the objects made anew, microseconds a call in the "
        "fastest of {rounds} rounds.",
        "一万次调用，笔记印出的是：合并 {combined:.4f} 秒，分步 {separate:.4f} 秒。下面是刚才在这台机器上测的，只"
        "测了一小会儿：每次都新建对象，只做反向，取 {rounds} 轮里最快的一轮，单位是每次调用的微秒数。",
    ),
    "speed.route": ("route", "算法"),
    "speed.combined": ("combined", "合并"),
    "speed.separate": ("separate", "分步"),
    "speed.ratio": ("separate / combined", "分步 / 合并"),
    "speed.ours": ("backpass", "backpass"),
    "speed.plain": ("notebook's way, here", "笔记的算法，本机"),
    "speed.notebook": ("notebook, printed", "笔记印出的"),
    "speed.more": (
        "The combined step wins either way. For figures to rely on, and at larger sizes: `backpass bench fusion`.",
        "两种实现里都是合并之后更快。要更可靠的数字和更大的规模，请用 `backpass bench fusion`。",
    ),
    "speed.less": (
        "In so short a measurement the combined step did not win everywhere. For figures to rely on: "
        "`backpass bench fusion`.",
        "测得太短，这一次合并并没有处处更快。要可靠的数字，请用 `backpass bench fusion`。",
    ),
    # The end.
    "end": ("What agreed", "对账"),
    "end.count": (
        "Timings aside, the notebook printed {total} results on this way. {agreeing} agree with ours.",
        "除了计时，笔记一路上印出过 {total} 个结果，其中 {agreeing} 个与我们的一致。",
    ),
    "end.except": ("Not so: {names}.", "不一致的是{names}。"),
    "end.next": ("Now train it: `backpass train spiral`.", "接下来可以训练了：`backpass train spiral`。"),
}
