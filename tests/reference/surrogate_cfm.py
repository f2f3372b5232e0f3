"""Reference numbers of the surrogate's flow: PyTorch, double precision, automatic differentiation.

A network of width 8 with the published structure (three MLPs of Linear-ELU-Linear-ELU-Linear that see time and conditions
anew), written for clarity and in nothing like the product's folded form. Writes tests/reference/data/surrogate_cfm.json:
weights, a batch, velocities and their derivatives, the flow-matching loss and its gradient, and the exact negative
log-likelihood through fixed steps with its gradient; the parameter counts of the published sizes; three steps of AdamW.

Run: python tests/reference/surrogate_cfm.py
"""

import json
import math
import pathlib

import torch

torch.set_default_dtype(torch.float64)
FREQUENCIES = 3
SIGMA_MIN = 1e-4


class Velocity(torch.nn.Module):
    def __init__(self, scores, conditions, width=64, blocks=3):
        super().__init__()
        self.blocks = torch.nn.ModuleList()
        for block in range(blocks):
            hidden = scores if block == 0 else width
            out = scores if block == blocks - 1 else width
            first = torch.nn.Linear(2 * FREQUENCIES + hidden + conditions, width)
            layers = [first, torch.nn.ELU(), torch.nn.Linear(width, width), torch.nn.ELU(), torch.nn.Linear(width, out)]
            self.blocks.append(torch.nn.Sequential(*layers))

    def forward(self, t, x, c):
        """t [N], x [N, D], c [N, C]"""
        k = math.pi * torch.arange(1, FREQUENCIES + 1) * t[:, None]
        tau = torch.cat([torch.cos(k), torch.sin(k)], dim=1)
        h = x
        for block in self.blocks:
            h = block(torch.cat([tau, h, c], dim=1))
        return h


def divergence(net, t, x, c):
    """sum over d of dv_d/dx_d, [N], differentiable."""
    x = x.requires_grad_() if not x.requires_grad else x
    v = net(t, x, c)
    total = 0
    for d in range(x.shape[1]):
        total = total + torch.autograd.grad(v[:, d].sum(), x, create_graph=True)[0][:, d]
    return v, total


def log_prob(net, x, c, scheme, steps):
    """log-density of x through equal steps from t = 0 to 1."""
    ladj = torch.zeros(x.shape[0])
    h = 1.0 / steps
    x = x.clone().requires_grad_()
    at = lambda t: torch.full((x.shape[0],), t)
    for step in range(steps):
        t = step * h
        k1, g1 = divergence(net, at(t), x, c)
        if scheme == "heun":
            k2, g2 = divergence(net, at(t + h), x + h * k1, c)
            x = x + h / 2 * (k1 + k2)
            ladj = ladj + h / 2 * (g1 + g2)
            continue
        k2, g2 = divergence(net, at(t + h / 2), x + h / 2 * k1, c)
        k3, g3 = divergence(net, at(t + h / 2), x + h / 2 * k2, c)
        k4, g4 = divergence(net, at(t + h), x + h * k3, c)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        ladj = ladj + h / 6 * (g1 + 2 * g2 + 2 * g3 + g4)
    return ladj - (x**2 / 2 + math.log(2 * math.pi) / 2).sum(1)


def flat(tensors):
    return torch.cat([t.reshape(-1) for t in tensors]).tolist()


def case(scores, conditions, seed, rows=9):
    torch.manual_seed(seed)
    net = Velocity(scores, conditions, width=8)
    # The product keeps weights in f32: give it numbers that it can hold.
    with torch.no_grad():
        for p in net.parameters():
            p.copy_((1.5 * p).float().double())
    parameters = list(net.parameters())
    t = torch.rand(rows)
    x = (0.5 * torch.randn(rows, scores)).float().double()
    z = torch.randn(rows, scores)
    c = torch.randn(rows, conditions).float().double()
    y = (1 - t[:, None]) * x + (SIGMA_MIN + (1 - SIGMA_MIN) * t[:, None]) * z
    u = (1 - SIGMA_MIN) * z - x
    loss = ((net(t, y, c) - u) ** 2).mean()
    gradient = torch.autograd.grad(loss, parameters)
    v, div = divergence(net, t, y.detach(), c)
    out = {
        "scores": scores,
        "conditions": conditions,
        "width": 8,
        "weights": flat(parameters),
        "t": t.tolist(),
        "x": flat([x]),
        "z": flat([z]),
        "c": flat([c]),
        "y": flat([y]),
        "u": flat([u]),
        "v": flat([v]),
        "divergence": flat([div]),
        "cfm_loss": loss.item(),
        "cfm_gradient": flat(gradient),
        "likelihoods": [],
    }
    for scheme, steps in [("rk4", 5), ("heun", 6)]:
        lp = log_prob(net, x, c, scheme, steps)
        entry = {"scheme": scheme, "steps": steps, "log_prob": lp.tolist()}
        if scores == 1:
            entry["nll_gradient"] = flat(torch.autograd.grad(-lp.mean(), parameters))
        out["likelihoods"].append(entry)
    return out


def adamw():
    w = torch.tensor([1.0, -2.0], requires_grad=True)
    optimizer = torch.optim.AdamW([w], lr=0.1, betas=(0.9, 0.999), weight_decay=0.01)
    steps = []
    for gradient in [[1.0, 2.0], [-0.5, 0.1], [0.25, -3.0]]:
        w.grad = torch.tensor(gradient)
        optimizer.step()
        steps.append(w.tolist())
    return steps


if __name__ == "__main__":
    count = lambda conditions: sum(p.numel() for p in Velocity(1, conditions).parameters())
    result = {
        "parameters": {str(c): count(c) for c in [6, 7, 11, 16]},
        "cases": [case(1, 2, 1), case(2, 3, 2)],
        "adamw": adamw(),
    }
    path = pathlib.Path(__file__).parent / "data" / "surrogate_cfm.json"
    path.write_text(json.dumps(result) + "\n")
    print(path, path.stat().st_size, result["parameters"], result["adamw"])
