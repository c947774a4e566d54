"""How a gradient becomes a step: stochastic gradient descent and Adam, each written out in a few
lines.

They do what `torch.optim` does, to the last few bits, and a test holds them to it. Written out they
cost a small network half as much, and nothing is imported for them: PyTorch's load its compiler
first, which takes seconds.
"""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Optimizer:
    """What every optimiser has: the parameters that it moves, and tensors that it remembers for
    each of them.

    Before each step the gradients are filled, and `momentum`, in [0, 1], is the share of what
    `.grad` held that stays.

    The tensors bear the names that they have in `torch.optim`, such as `0.momentum_buffer` for the
    first parameter's.

    Args:
        parameters: a model's.
        remembers: what is kept for each parameter, all 0 at first.
    """

    momentum = 0.0

    def __init__(self, parameters: Iterable[nn.Parameter], *remembers: str) -> None:
        self.parameters = list(parameters)
        self.memory = {
            name: [torch.zeros_like(parameter) for parameter in self.parameters]
            for name in remembers
        }

    def step(self, lr: float) -> None:
        """Move every parameter once, with this learning lr and the gradient in its `.grad`."""
        raise NotImplementedError

    def prepare(self) -> None:
        """To be called before the gradients are filled."""

    def state_dict(self) -> dict[str, Tensor]:
        """What an optimiser that goes on exactly must know, as copies on the CPU."""
        return {
            f"{index}.{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensors in self.memory.items()
            for index, tensor in enumerate(tensors)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state_dict` gave; what it does not hold begins anew.

        Raises:
            ValueError: for the state of another optimiser or other parameters.
        """
        own = {
            f"{index}.{name}": tensor
            for name, kept in self.memory.items()
            for index, tensor in enumerate(kept)
        }
        for key, tensor in state.items():
            if key not in own or own[key].shape != tensor.shape:
                raise ValueError(
                    f"the optimiser's {key} {list(tensor.shape)} does not fit the model and its settings"
                )
        for key, tensor in own.items():
            tensor.copy_(state[key]) if key in state else tensor.zero_()


class Sgd(Optimizer):
    """Stochastic gradient descent, with momentum (B. Polyak, 1964): a weight rolls on with part of
    its last speed.

    velocity <- momentum * velocity + gradient; weight <- weight - lr * velocity. The velocities lie
    in `.grad` itself: where other loops begin a step by setting it to 0, some of it is kept. So
    momentum costs no time.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], momentum: float = 0.0) -> None:
        super().__init__(parameters, *(["momentum_buffer"] if momentum else []))
        self.momentum = momentum

    def prepare(self) -> None:
        """Put the velocities in place, where anyone else has used `.grad` since."""
        for weight, velocity in zip(
            self.parameters, self.memory.get("momentum_buffer", []), strict=False
        ):
            if weight.grad is not velocity:
                weight.grad = velocity

    @torch.inference_mode()
    def step(self, lr: float) -> None:
        """Move every parameter once, with this learning lr."""
        for weight in self.parameters:
            if weight.grad is not None:
                weight.sub_(weight.grad, alpha=lr)


class Adam(Optimizer):
    """Adam (D. Kingma and J. Ba, 2015): each weight has a step of its own, its mean gradient over
    the usual size of it.

    With `decay` it is AdamW (I. Loshchilov and F. Hutter, 2019): each step also shrinks the weights
    by lr * decay.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float = 0.0) -> None:
        super().__init__(parameters, "exp_avg", "exp_avg_sq")
        self.decay = decay
        self.memory["step"] = [
            torch.zeros(()) for _ in self.parameters
        ]  # how many were taken, the same for all

    @torch.inference_mode()
    def step(self, lr: float) -> None:
        """mean <- 0.9 mean + 0.1 g; square <- 0.999 square + 0.001 g^2; weight <- weight - lr *
        mean / sqrt(square).

        Mean and square begin at 0 and are too small at first: both are divided by what they would
            be if g were 1.
        """
        for count in self.memory["step"]:
            count += 1
        steps = int(self.memory["step"][0])
        correction = math.sqrt(1 - 0.999**steps)
        pace = lr * correction / (1 - 0.9**steps)
        moments = zip(self.memory["exp_avg"], self.memory["exp_avg_sq"], strict=True)
        for weight, (mean, square) in zip(self.parameters, moments, strict=True):
            gradient = weight.grad
            if gradient is None:
                continue
            if self.decay:
                weight.mul_(1 - lr * self.decay)
            mean.lerp_(gradient, 0.1)
            square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            weight.addcdiv_(mean, square.sqrt().add_(1e-8 * correction), value=-pace)
