"""The norms under which few values change: l1 and l0."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.core.seeds import RowGenerators
from auditor.threats.norm import Norm
from auditor.threats.room import Room, count, largest
from auditor.threats.shapes import column


class L1(Norm):
    """The sum of the absolute changes."""

    SHARE = 0.05
    """Share of the zone's values that one step moves at most."""
    THINNING = 1.5
    """A step moves this many times fewer values than the change so far has, so that it can gather on the best few."""

    def size(self, d: Tensor) -> Tensor:
        """Return the sum of absolute changes of each row (n,)."""
        return d.abs().flatten(1).sum(1, dtype=torch.float64).to(d.dtype)

    def step(self, x: Tensor, gradient: Tensor, room: Room, size: Tensor) -> Tensor:
        """Return x after a step that moves the values with the largest gradients equally far.

        The steepest ascent moves one value alone, which takes as many steps as values; so up to 5 % of the zone move at
        once (Tramer and Boneh 2019, arXiv:1904.13000, section 3.3), and fewer once the change itself is sparse (Croce
        and Hein
        2021, arXiv:2103.01208, section 3.2). Values at the edge of the box that could only leave it do not count; those
        that went
        there and are worth it are pushed along, or the projection would take them back.
        """
        d, gradient = x - room.x0, room.within(gradient)
        movable = torch.where(gradient > 0, d < room.high, d > room.low)
        score = (gradient.abs() * movable).flatten(1)
        changed = ((d != 0) & movable).flatten(1).sum(1)
        most = (self.SHARE * room.free).ceil()
        count = (
            torch.where(changed > 0, torch.minimum(most, (changed / self.THINNING).floor()), most).clamp_min(1).long()
        )
        chosen = largest(score, count) & (score > 0)
        moved = chosen.sum(1).clamp_min(1)
        least = torch.where(chosen, score, float("inf")).amin(1) if score.numel() else score.new_zeros(len(score))
        worth = ~movable & (d != 0) & (gradient.abs() >= column(least, gradient))
        return x + gradient.sign() * (chosen.view_as(gradient) | worth) / column(moved, gradient) * size

    def project(self, d: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return the exact projection onto ball and box at once.

        By the optimality conditions it is clip(sign(d) max(|d| - t, 0)) with one t >= 0 per row (Croce and Hein 2021,
        arXiv:2103.01208, proposition 2.1). Its size is piecewise linear and falls with t: Newton's rule is exact on the
        right
        piece, and halving the bracket in every other round gets there in finitely many.
        """
        clipped = room.clip(d)
        outside = self.size(clipped) > epsilon.flatten()
        if not bool(outside.any()):
            return clipped
        over = d[outside].flatten(1).double()
        reach, most = (
            over.abs(),
            torch.where(over > 0, room.high[outside].flatten(1), -room.low[outside].flatten(1)).double(),
        )
        budget = epsilon.flatten().expand(len(d))[outside].double()
        bottom, top = torch.zeros_like(budget), reach.amax(1)
        t = bottom
        for turn in range(200):
            kept = torch.minimum((reach - t[:, None]).clamp_min(0), most)
            excess = kept.sum(1) - budget
            bottom, top = torch.where(excess > 0, t, bottom), torch.where(excess <= 0, t, top)
            done = excess.abs() <= 1e-12 * budget
            if bool(done.all()):
                break
            sloping = ((reach > t[:, None]) & (kept < most)).sum(1)
            newton, middle = t + excess / sloping, (bottom + top) / 2
            better = torch.where((newton > bottom) & (newton < top), newton, middle) if turn % 2 == 0 else middle
            t = torch.where(done, t, better)
        kept = torch.minimum((reach - torch.where(done, t, top)[:, None]).clamp_min(0), most)
        clipped[outside] = (over.sign() * kept).to(d.dtype).view_as(d[outside])
        return clipped

    def random(self, rng: RowGenerators, room: Room, epsilon: Tensor) -> Tensor:
        """Return draws uniform in the ball's volume."""
        radius = rng.uniform(room.x0.flatten(1)[:, :1])[:, 0] ** (1 / room.free.clamp_min(1))
        sides = torch.where(rng.uniform(room.x0) < 0.5, -1.0, 1.0).to(room.x0.dtype)
        lengths = -torch.log1p(-rng.uniform(room.x0)) * room.zone
        total = self.size(lengths).clamp_min(torch.finfo(lengths.dtype).tiny)
        return sides * lengths * column(radius / total, lengths) * epsilon


class L0(Norm):
    """The number of values that change (each colour channel of a pixel is a value of its own)."""

    whole = True
    stride = 0.5
    PUSH = 1e6
    """How far beyond the box a step points, in widths of the widest room."""

    def size(self, d: Tensor) -> Tensor:
        """Return the number of changed values of each row (n,)."""
        return (d != 0).flatten(1).sum(1).to(d.dtype)

    def step(self, x: Tensor, gradient: Tensor, room: Room, size: Tensor) -> Tensor:
        """Return x after a step that changes `size` further values (rounded up), those that promise the most, and
        pushes the changed ones too.

        A value promises its gradient times the way from x0 to the edge of the box. The step points far beyond the box,
        in
        proportion to the gradients: the values that the projection then keeps are those that promise the most, each at
        an
        edge, where a step that ended at the edges would have it keep the longest. A step of epsilon from x0 is thus the
        worst
        case of a linear model, and smaller ones exchange a few values at a time.
        """
        d, gradient = x - room.x0, room.within(gradient)
        way = torch.where(gradient > 0, room.high, -room.low)
        steepest = gradient.abs().flatten(1).amax(1) if d.numel() else gradient.new_ones(len(gradient))
        slope = gradient.abs() / column(torch.where(steepest > 0, steepest, torch.ones_like(steepest)), d)
        promise, changed = (slope * way).flatten(1), (d != 0).flatten(1)
        new = largest(torch.where(changed, torch.zeros_like(promise), promise), count(size.ceil(), promise)) & (
            promise > 0
        )
        widest = (room.high - room.low).flatten(1).amax(1) if d.numel() else gradient.new_ones(len(gradient))
        return x + gradient.sign() * (way + self.PUSH * column(widest, d) * slope) * (new | changed).view_as(d)

    def project(self, d: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return the exact projection: d clamped to the box where dropping that costs the most, 0 elsewhere.

        Dropping a change costs d^2 - (d - clip(d))^2, and the costs of different values add up.
        """
        clipped = room.clip(d)
        outside = self.size(clipped) > epsilon.flatten()
        if not bool(outside.any()):
            return clipped
        within = clipped.double()
        cost = (within * (2 * d.double() - within)).flatten(1)
        kept = largest(cost, count(epsilon.floor(), cost)).view_as(d)
        return torch.where(kept | ~column(outside, d), clipped, torch.zeros_like(d))

    def random(self, rng: RowGenerators, room: Room, epsilon: Tensor) -> Tensor:
        """Return epsilon values (rounded down) of the zone, moved to anywhere in the box."""
        lot = torch.where(room.zone, rng.uniform(room.x0) + 1, room.x0.new_zeros(())).flatten(1)
        chosen = largest(lot, count(epsilon.floor(), lot)).view_as(room.zone)
        return (room.low + rng.uniform(room.x0) * (room.high - room.low)) * (chosen & room.zone)
