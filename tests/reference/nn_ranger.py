"""Parameters after some steps of Ranger: PyTorch's RAdam with decoupled decay, and Lookahead around it, in f64.

Gradients are sin(i + 2 t + 1) for parameter i of 4 at step t from 0; all parameters start at 1. RAdam is
arXiv:1908.03265 with the rectification from more than 5 on, Lookahead arXiv:1907.08610 with k = 6 and alpha = 1/2.

Prints one line a step count; the numbers stand in crates/tagwerk-nn/src/optimizer.rs.

Usage: python nn_ranger.py
"""
import math

import torch


def main():
    for steps in (1, 5, 6, 7, 20):
        p = torch.ones(4, dtype=torch.float64, requires_grad=True)
        slow = p.detach().clone()
        optimizer = torch.optim.RAdam(
            [p], lr=0.01, betas=(0.95, 0.999), eps=1e-5, weight_decay=0.1, decoupled_weight_decay=True
        )
        for t in range(steps):
            p.grad = torch.tensor([math.sin(i + 2 * t + 1) for i in range(4)], dtype=torch.float64)
            optimizer.step()
            if (t + 1) % 6 == 0:
                slow += 0.5 * (p.detach() - slow)
                p.data.copy_(slow)
        print(steps, [round(v, 7) for v in p.tolist()])


if __name__ == "__main__":
    main()
