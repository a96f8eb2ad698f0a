"""What each mistake means, in English and Chinese, and a line of NumPy that puts it right."""

UNCHECKED = {
    "en": "It is not known to be right, nor to be wrong. Try inputs, targets and parameters of about 1.",
    "zh": "既不能断定它正确，也不能断定它错误。请改用大小约为 1 的输入、目标和参数再试。",
}

TEXTS = {
    "wrong-sign": (
        "The gradient points the other way: every entry is minus what it should be. Training would climb the loss.",
        "梯度方向相反：每个元素都是正确值的相反数。这样训练会让损失上升。",
    ),
    "scaled-by-samples": (
        "The gradient is N times or one N-th of what it should be. The loss is a mean over N samples, so 1/N enters "
        "exactly once: in the loss's backward, and in no layer.",
        "梯度是正确值的 N 倍或 1/N。损失是 N 个样本的平均值，因此 1/N 只出现一次："
        "在损失函数的反向传播里，任何层中都不再除。",
    ),
    "scaled-by-constant": (
        "Every entry is the same multiple of what it should be. A factor of the derivative was left out or is there "
        "twice: the 2 of a square, the number of outputs of a mean, the scale of dropout.",
        "每个元素都是正确值的同一倍数。求导时漏掉或重复了一个常数：平方的 2、平均值的输出个数、dropout 的缩放。",
    ),
    "transposed": (
        "The factors of the product are in another order, or a transpose is missing. Shapes alone do not tell where a "
        "matrix is square: follow one entry through the sum.",
        "矩阵乘积的次序不对，或少了一次转置。方阵时形状看不出错误：请沿着求和式检查一个元素。",
    ),
    "missing-batch-sum": (
        "What is used for all samples collects a gradient from each of them. A broadcast forward is a sum backward.",
        "被所有样本共用的量会从每个样本收到梯度。前向的广播，在反向就是求和。",
    ),
    "wrong-axis-sum": (
        "The sum runs over the wrong axis. Forward the array was repeated along the samples, so backward the sum runs "
        "along the samples: axis 0.",
        "求和的轴不对。前向时它沿样本方向广播，因此反向要沿样本方向（第 0 轴）求和。",
    ),
    "mask-missing": (
        "Gradient passes where the forward pass let nothing through, or less. What forward sets to 0 or scales, "
        "backward sets to 0 or scales too.",
        "前向没有放行或被缩小的位置，反向却让梯度照常通过。前向置零或缩放的元素，反向也要同样置零或缩放。",
    ),
    "mask-inverted": (
        "Gradient passes where it should be blocked, and is blocked where it should pass. The comparison is the wrong "
        "way round.",
        "该挡住的位置放行了梯度，该放行的位置却挡住了。比较的方向写反了。",
    ),
    "mask-from-gradient": (
        "The mask was taken from dvalues. Which entries pass was decided forward, by the inputs.",
        "掩码取自 dvalues。哪些元素放行是前向时由输入决定的。",
    ),
    "jacobian-diagonal-only": (
        "Every output depends on several inputs, but only the diagonal of the Jacobian was used. The other entries of "
        "its row are missing.",
        "每个输出依赖多个输入，但只用了雅可比矩阵的对角线。该行的其他元素被漏掉了。",
    ),
    "derivative-of-input-instead-of-output": (
        "The derivative is taken at the wrong place. Its formula is written in terms of the output and was given the "
        "input, or the other way round.",
        "导数在错误的位置求值。公式以输出表示却代入了输入，或者相反。",
    ),
    "missing-incoming-gradient": (
        "The derivative is right, but not multiplied by dvalues. The chain rule wants the product.",
        "导数正确，但没有乘以 dvalues。链式法则要求两者相乘。",
    ),
    "stale-forward": (
        "After a new forward, or after training has changed the parameters, backward still uses old values. Store what "
        "backward needs at every forward, and use the parameters as they are now.",
        "重新前向之后，或训练改变参数之后，反向仍在使用旧的值。每次前向都要保存反向所需的量，并使用当前的参数。",
    ),
    "accumulated": (
        "A second backward adds to the gradients of the first. Assign them, or set them to 0 at the beginning.",
        "第二次反向把梯度加到了第一次的结果上。应当赋值，或在开始时清零。",
    ),
    "not-computed": (
        "backward leaves this gradient unset, or 0 everywhere. Without it training never changes what it belongs to.",
        "反向没有计算这个梯度，或它处处为 0。没有它，训练永远不会改变对应的量。",
    ),
    "wrong-shape": (
        "The gradient has another shape than what it belongs to. An optimizer would broadcast it, or fail.",
        "梯度的形状与它所属的数组不同。优化器会错误地广播，或者报错。",
    ),
    "writes-over-its-input": (
        "An array that belongs to somebody else was changed in place. Work on a copy.",
        "就地修改了属于别处的数组。请在副本上操作。",
    ),
    "not-deterministic": (
        "The same forward and backward give another result each time. Random numbers drawn backward, or memory that "
        "was never filled, are the usual reasons.",
        "同样的前向与反向，每次结果都不同。常见原因是反向时又抽取随机数，或使用了未初始化的内存。",
    ),
    "clipped-forward-only": (
        "Forward clips, so that beyond the limit the output is constant and its derivative 0. Backward does not know "
        "of it and gives a slope, often a huge one.",
        "前向做了截断，超出界限后输出为常数、导数为 0。反向却不知道，仍给出斜率，往往非常大。",
    ),
    "unexplained": (
        "The gradient is wrong, and in none of the ways that this audit knows. Derive the formula again, for one "
        "sample and one entry.",
        "梯度是错的，但不属于本审计已知的任何一种。请针对一个样本、一个元素重新推导公式。",
    ),
}

DENSE = {  # the lines of a dense layer, by gradient
    "dweights": "dweights = inputs.T @ dvalues",
    "dbiases": "dbiases = np.sum(dvalues, axis=0, keepdims=True)",
    "dinputs": "dinputs = dvalues @ weights.T",
}
OF_DENSE = (
    "missing-batch-sum",
    "wrong-axis-sum",
    "missing-incoming-gradient",
    "accumulated",
    "not-computed",
    "wrong-shape",
)
FIXES = {
    "wrong-sign": "{gradient} = -{gradient}",
    "scaled-by-samples": "dinputs = dinputs / len(y_true)  # once, in the loss's backward; in a layer not at all",
    "scaled-by-constant": "# derive the constant anew: d(x**2) = 2 * x, d(mean over M) = 1 / M",
    "transposed": "dweights = inputs.T @ dvalues; dinputs = dvalues @ weights.T",
    "missing-batch-sum": "{gradient} = np.sum(terms, axis=0, keepdims=True)  # over the samples",
    "wrong-axis-sum": "{gradient} = np.sum(terms, axis=0, keepdims=True)  # over the samples",
    "mask-missing": "dinputs = np.where(inputs > 0, dvalues, 0)  # ReLU; dropout: dvalues * mask",
    "mask-inverted": "dinputs = np.where(inputs > 0, dvalues, 0)  # ReLU; dropout: dvalues * mask",
    "mask-from-gradient": "dinputs = np.where(inputs > 0, dvalues, 0)  # ReLU; dropout: dvalues * mask",
    "jacobian-diagonal-only": "dinputs = output * (dvalues - np.sum(output * dvalues, axis=1, keepdims=True))",
    "derivative-of-input-instead-of-output": "dinputs = dvalues * output * (1 - output)  # of a sigmoid",
    "missing-incoming-gradient": "{gradient} = dvalues * derivative",
    "stale-forward": "self.inputs, self.output = inputs, output  # in every forward",
    "accumulated": "{gradient} = terms  # =, not +=",
    "not-computed": "{gradient} = derivative * dvalues  # summed over the samples for a parameter",
    "wrong-shape": "{gradient} = {gradient}.reshape({variable}.shape)",
    "writes-over-its-input": "{gradient} = {gradient}.copy()  # before anything is changed in it",
    "not-deterministic": "dinputs = dvalues * self.mask  # what forward drew; np.zeros in the place of np.empty",
    "clipped-forward-only": "dinputs = np.where((y_pred > low) & (y_pred < high), dinputs, 0)",
    "unexplained": "numeric = (f(x + h) - f(x - h)) / (2 * h)  # compare entry by entry",
}


def fix(mistake: str, where: str) -> str:
    """A line of NumPy for a mistake in this gradient, such as "relu1.dinputs"."""
    gradient = where.rpartition(".")[2]
    if gradient in DENSE and (mistake == "transposed" or (mistake in OF_DENSE and gradient != "dinputs")):
        return DENSE[gradient]
    return FIXES[mistake].format(gradient=gradient, variable=gradient.removeprefix("d"))
