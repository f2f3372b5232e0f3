"""Reference numbers of the diffusion model: PyTorch, double precision, automatic differentiation.

Writes tests/reference/data/surrogate_ddpm.json: the parameter count of the released size, and for a network of width 5 its
weights, a batch, loss and gradient with the statistics of the batch, the running statistics after it, and the prediction with
them.

Run: python tests/reference/surrogate_ddpm.py
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)


def embed(inputs, width):
    return torch.nn.Sequential(torch.nn.Linear(inputs, width), torch.nn.GELU(), torch.nn.Linear(width, width))


class Block(torch.nn.Module):
    def __init__(self, inputs, width):
        super().__init__()
        self.layers = torch.nn.ModuleList()
        for size in (inputs, width):
            # Registered in the order of the product's flat vector: weight, bias, gain, shift.
            layer = torch.nn.Sequential(torch.nn.Linear(size, width), torch.nn.BatchNorm1d(width), torch.nn.GELU())
            self.layers.append(layer)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Noise(torch.nn.Module):
    def __init__(self, conditions, width=256):
        super().__init__()
        self.context = torch.nn.ModuleList([embed(conditions, width) for _ in range(2)])
        self.time = torch.nn.ModuleList([embed(1, width) for _ in range(2)])
        self.blocks = torch.nn.ModuleList([Block(n, width) for n in (1, 3 * width, 3 * width, width)])
        self.out = torch.nn.Sequential(torch.nn.Linear(width + 1, width), torch.nn.GELU(), torch.nn.Linear(width, 1))

    def forward(self, x, t, c):
        h = self.blocks[0](x)
        h = self.blocks[1](torch.cat((self.context[0](c), self.time[0](t), h), 1))
        h = self.blocks[2](torch.cat((self.context[1](c), self.time[1](t), h), 1))
        return self.out(torch.cat((x, self.blocks[3](h)), 1))


def flat(tensors):
    return torch.cat([t.reshape(-1) for t in tensors]).tolist()


if __name__ == "__main__":
    count = sum(p.numel() for p in Noise(16).parameters())
    torch.manual_seed(4)
    conditions, width, rows = 3, 5, 11
    net = Noise(conditions, width)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_((p + 0.1 * torch.randn_like(p)).float().double())
    x, t, c, e = (v.float().double() for v in (torch.randn(rows, 1), torch.rand(rows, 1), torch.randn(rows, 3), torch.randn(rows, 1)))
    loss = ((net(x, t, c) - e) ** 2).mean()
    gradient = torch.autograd.grad(loss, list(net.parameters()))
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    running = [s for m in norms for s in (m.running_mean, m.running_var)]
    net.eval()
    result = {
        "parameters": count,
        "weights": flat(net.parameters()),
        "x": flat([x]),
        "times": flat([t]),
        "c": flat([c]),
        "noise": flat([e]),
        "loss": loss.item(),
        "gradient": flat(gradient),
        "running": flat(running),
        "prediction": flat([net(x, t, c)]),
    }
    path = pathlib.Path(__file__).parent / "data" / "surrogate_ddpm.json"
    path.write_text(json.dumps(result) + "\n")
    print(path.stat().st_size, count)
