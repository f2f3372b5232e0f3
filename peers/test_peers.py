"""What must hold for the peers to be a fair comparison: `python -m unittest discover peers`."""

from __future__ import annotations

import argparse
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

import compare
import fastjet_peer
import features
import metrics
import models
import train


def random_jets(counts: list[int], seed: int = 1) -> features.Jets:
    """Jets with the given numbers of constituents, around (eta, phi) = (-1, 3.1): across the seam of phi."""
    random = np.random.default_rng(seed)
    rows = sum(counts)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    pt = np.concatenate([np.sort(random.exponential(20.0, n) + 0.1)[::-1] for n in counts])
    phi = features.wrap(3.1 + random.normal(0.0, 0.2, rows))
    eta = random.normal(-1.0, 0.2, rows)
    return features.Jets(pt, eta, phi, offsets, np.arange(len(counts)) % 2)


COUNTS = [1, 2, 5, 17, 40, 120, 33, 60]


class Features(unittest.TestCase):
    def test_kinematic_features_agree_with_a_plain_loop(self) -> None:
        jets = random_jets([3, 120])
        view = features.kinematic(jets)
        for b in range(2):
            rows = slice(jets.offsets[b], jets.offsets[b + 1])
            pt, eta, phi = jets.pt[rows], jets.eta[rows], jets.phi[rows]
            momenta = [
                p * np.array([np.cosh(h), np.cos(f), np.sin(f), np.sinh(h)])
                for p, h, f in zip(pt, eta, phi, strict=True)
            ]
            total = np.sum(momenta, axis=0)
            jet_pt = np.hypot(total[1], total[2])
            deta = -(eta - np.arcsinh(total[3] / jet_pt))  # the jets lie at negative eta
            dphi = np.angle(np.exp(1j * (phi - np.arctan2(total[2], total[1]))))
            energy = pt * np.cosh(eta)
            expected = [np.log(pt), np.log(energy), deta, dphi, np.log(pt / jet_pt), np.log(energy / total[0])]
            expected.append(np.hypot(deta, dphi))
            n = min(len(pt), 100)
            np.testing.assert_allclose(view[b, :n], np.stack(expected, 1)[:n], rtol=1e-5, atol=1e-6)
            self.assertFalse(view[b, n:].any())

    def test_cloud_is_centered_and_its_axis_vertical(self) -> None:
        jets = random_jets([30, 80])
        for view in (features.cloud(jets), features.cloud_rotated(jets)):
            z, y, phi = np.moveaxis(view.astype(np.float64), -1, 0)
            np.testing.assert_allclose(z.sum(1), 1.0, rtol=1e-5)
            np.testing.assert_allclose([(z * y).sum(1), (z * phi).sum(1)], 0.0, atol=1e-5)
        np.testing.assert_allclose((z * y * phi).sum(1), 0.0, atol=1e-6)
        self.assertTrue(((z * phi**2).sum(1) >= (z * y**2).sum(1)).all())
        self.assertTrue(((z * (phi > 0)).sum(1) >= (z * (phi < 0)).sum(1)).all())

    def test_rotated_cloud_forgets_orientation(self) -> None:
        jets = random_jets([30, 80])
        turned = features.Jets(jets.pt, -jets.eta, -jets.phi, jets.offsets, jets.labels)
        np.testing.assert_allclose(features.cloud_rotated(jets), features.cloud_rotated(turned), atol=1e-6)

    def test_topodnn_puts_the_second_constituent_on_the_negative_phi_axis(self) -> None:
        view = features.topodnn(random_jets(COUNTS)).reshape(len(COUNTS), 30, 3)
        np.testing.assert_allclose(view[:, 0, 1:], 0.0, atol=1e-6)
        np.testing.assert_allclose(view[1:, 1, 1], 0.0, atol=1e-6)
        self.assertTrue((view[1:, 1, 2] < 0.0).all())
        self.assertTrue(((view[..., 0] * view[..., 1]).sum(1) >= -1e-6).all())


    def test_images_hold_the_momentum_of_their_constituents(self) -> None:
        jets = random_jets(COUNTS)
        upright, plain = features.image_upright(jets), features.image(jets, half=2.0)
        np.testing.assert_allclose(upright.sum((1, 2, 3)), 1.0, rtol=1e-5)
        pt, _, phi, _ = jets.padded()
        jet_pt = np.hypot((pt * np.cos(phi)).sum(1), (pt * np.sin(phi)).sum(1))
        np.testing.assert_allclose(plain.sum((1, 2, 3)), pt.sum(1) / jet_pt, rtol=1e-5)
        # Mirrored: the halves with larger column and row numbers carry more.
        halves = upright.reshape(len(COUNTS), 2, 20, 2, 20).sum((2, 4))
        self.assertTrue((halves[:, 1].sum(1) >= halves[:, 0].sum(1) - 1e-6).all())
        self.assertTrue((halves[:, :, 1].sum(1) >= halves[:, :, 0].sum(1) - 1e-6).all())

    def test_more_axes_leave_less_to_the_constituents(self) -> None:
        view = features.m_body(random_jets(COUNTS), 8)
        self.assertEqual(view.shape, (len(COUNTS), 22))
        tau_1 = view[:, [1, 4, 7, 10, 13, 16]]  # power 1, one axis to six
        self.assertTrue((np.diff(tau_1, axis=1) <= 1e-6).all())
        self.assertFalse(view[0, :20].any())  # a jet of one constituent


class Models(unittest.TestCase):
    def test_every_tagger_has_the_published_number_of_parameters(self) -> None:
        for name in models.TAGGERS:
            models.build(name)  # raises otherwise

    def test_neighbors_are_the_nearest_real_others(self) -> None:
        view = torch.from_numpy(features.kinematic(random_jets(COUNTS)))
        mask = (view != 0).any(-1)
        points = view[..., 2:4]
        k = 7
        first = 100 * torch.arange(len(COUNTS)).view(-1, 1, 1)
        found = models.nearest(points, mask, k).view(len(COUNTS), 100, k) - first
        for b, count in enumerate(min(c, 100) for c in COUNTS):
            for i in range(count if count > k else 0):
                distance = (points[b, :count].double() - points[b, i].double()).square().sum(1)
                distance[i] = torch.inf
                chosen = distance[found[b, i]].sort().values
                torch.testing.assert_close(chosen, distance.sort().values[:k], rtol=1e-3, atol=1e-8)

    def test_padding_does_not_enter_where_it_must_not(self) -> None:
        jets = random_jets([1, 2, 5, 17, 40, 33])
        for name in ("efn", "pfn", "particlenet-lite"):
            view = torch.from_numpy(features.compute(models.TAGGERS[name].view, jets))
            torch.manual_seed(1)
            model = models.build(name, masked=True).double()
            outputs = []
            for width in (41, 100):
                torch.manual_seed(2)  # the same dropout
                outputs.append(model.train()(view[:, :width].double()))
                self.assertTrue(torch.isfinite(outputs[-1]).all())
            torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-9, atol=1e-9)

    def test_masked_form_scores_like_the_padded_form(self) -> None:
        jets = random_jets([40, 40, 40])
        for name in ("efn", "pfn", "particlenet-lite"):
            view = torch.from_numpy(features.compute(models.TAGGERS[name].view, jets))[:, :40].double()
            view = torch.cat([view, torch.zeros_like(view[:1])])  # an empty jet: padding to drop
            padded, masked = models.build(name).double(), models.build(name, masked=True).double()
            masked.load_state_dict(padded.state_dict())
            torch.testing.assert_close(padded.eval()(view), masked.eval()(view))

    def test_order_of_constituents_does_not_matter(self) -> None:
        view = torch.from_numpy(features.kinematic(random_jets([17, 40, 33]))).double()
        model = models.build("particlenet-lite").double().eval()
        torch.testing.assert_close(model(view), model(view[:, torch.randperm(100)]))


class Training(unittest.TestCase):
    def test_figures_of_known_scores(self) -> None:
        labels = np.array([0] * 10 + [1] * 10)
        scores = np.concatenate([np.arange(10), np.arange(10) + 4.5]) / 20.0
        figures = metrics.figures(scores, labels)
        self.assertAlmostEqual(figures["auc"], 0.85)  # 85 of 100 pairs in order
        self.assertAlmostEqual(figures["accuracy"], 0.7)  # 10 background below 0.5, 4 signal above

    def test_schedules_meet_their_published_points(self) -> None:
        self.assertEqual([train.step(p) for p in (0.0, 0.4, 0.7)], [1.0, 0.1, 0.1**2])
        self.assertAlmostEqual(train.one_cycle(0.4) * 3e-3, 3e-3)
        self.assertAlmostEqual(train.one_cycle(1.0) * 3e-3, 5e-7)


class PhysicsPeers(unittest.TestCase):
    def test_jets_are_drawn_massless_and_survive_their_file(self) -> None:
        jets = [*fastjet_peer.drawn_jets(3, 60), np.zeros((0, 4)), *fastjet_peer.drawn_jets(1, 1)]
        e, px, py, pz = jets[2].T
        np.testing.assert_allclose(e**2, px**2 + py**2 + pz**2, rtol=1e-14)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "jets.bin"
            fastjet_peer.write_jets(path, jets)
            for found, expected in zip(fastjet_peer.read_jets(path), jets, strict=True):
                np.testing.assert_array_equal(found, expected)

    def test_every_script_that_compare_runs_is_there_and_takes_an_interpreter(self) -> None:
        for script in compare.OTHERS:
            self.assertTrue((compare.PEERS / script).exists(), script)
            self.assertEqual(compare.interpreter(f"{script}=/a=b"), (script, "/a=b"))
        for text in ("efp.py", "efp.py=", "step.py=python"):
            with self.assertRaises(argparse.ArgumentTypeError):
                compare.interpreter(text)


if __name__ == "__main__":
    unittest.main()
