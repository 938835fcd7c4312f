"""The geometry of each norm: how long a change is, which way is steepest, what is nearest, and what is random."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from auditor.core.seeds import Rows
from auditor.threats.room import Room, column, count, largest


class Norm(ABC):
    """One norm, on changes d (n, *shape) that are 0 outside the zone; epsilon and step sizes broadcast to them."""

    whole = False
    """Whether sizes are counts, which are compared exactly."""
    stride = 2.0
    """First step of an adaptive search, in epsilons."""

    @abstractmethod
    def size(self, d: Tensor) -> Tensor:
        """Return the norm of each row (n,)."""

    @abstractmethod
    def step(self, x: Tensor, gradient: Tensor, room: Room, size: Tensor) -> Tensor:
        """Return x (n, *shape) moved by this size up the gradient, within the zone; the caller projects."""

    @abstractmethod
    def project(self, d: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return the nearest change (n, *shape) in the box with norm <= epsilon."""

    @abstractmethod
    def random(self, rng: Rows, room: Room, epsilon: Tensor) -> Tensor:
        """Return a random change (n, *shape) with norm <= epsilon, 0 outside the zone; the caller projects."""

    def nearest(self, x: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return the point (n, *shape) of ball, zone and box that is nearest to x (n, *shape)."""
        d = self.project(torch.where(room.zone, x - room.x0, room.x0.new_zeros(())), room, epsilon)
        return torch.where(d != 0, torch.clamp(room.x0 + d, *room.box), room.x0)


class Linf(Norm):
    """The largest change of any one value."""

    def size(self, d: Tensor) -> Tensor:
        """Return the largest absolute change of each row (n,)."""
        return d.abs().flatten(1).amax(1) if d.numel() else d.new_zeros(len(d))

    def step(self, x: Tensor, gradient: Tensor, room: Room, size: Tensor) -> Tensor:
        """Return x moved along the gradient's sign, the steepest ascent."""
        return torch.addcmul(x, gradient.sign(), room.reach(size))

    def project(self, d: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return d clamped to both boxes."""
        return self.nearest(room.x0 + d, room, epsilon) - room.x0

    def nearest(self, x: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return x clamped to both boxes; outside the zone these hold x0 alone."""
        return torch.clamp(x, *self._edges(room, epsilon))

    def _edges(self, room: Room, epsilon: Tensor) -> tuple[Tensor, Tensor]:
        if room.kept is None or room.kept[0] is not epsilon:
            low, high = room.box
            room.kept = (epsilon, torch.maximum(low, room.x0 - epsilon), torch.minimum(high, room.x0 + epsilon))
        return room.kept[1], room.kept[2]

    def random(self, rng: Rows, room: Room, epsilon: Tensor) -> Tensor:
        """Return uniform draws from the cube."""
        return (2 * rng.uniform(room.x0) - 1) * room.zone * epsilon


class L2(Norm):
    """The Euclidean length of the change."""

    def size(self, d: Tensor) -> Tensor:
        """Return the Euclidean length of each row (n,)."""
        length: Tensor = torch.linalg.vector_norm(d.flatten(1), dim=1)
        return length

    def step(self, x: Tensor, gradient: Tensor, room: Room, size: Tensor) -> Tensor:
        """Return x moved along the gradient, the steepest ascent."""
        return torch.addcmul(x, self._unit(room.within(gradient)), size)

    def _unit(self, d: Tensor) -> Tensor:
        """Return d at length 1, or 0 where it is 0; the largest value is divided out first, since small squares vanish
        in float32.
        """
        largest = column(d.abs().flatten(1).amax(1), d) if d.numel() else d.new_ones(())
        scaled = d / torch.where(largest > 0, largest, torch.ones_like(largest))
        return scaled / column(self.size(scaled).clamp_min(1), d)

    def project(self, d: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return the exact projection onto ball and box at once.

        By the optimality conditions it is clip(t d) with one t in [0, 1] per row, where |clip(t d)| = epsilon; starting
        from no clipped value, t and the set of clipped values grow until they fit each other, in finitely many rounds.
        """
        clipped = room.clip(d)
        outside = self.size(clipped) > epsilon.flatten()
        if not bool(outside.any()):
            return clipped
        reach, most, budget = d.abs(), torch.where(d > 0, room.high, -room.low), epsilon.flatten() ** 2
        t = epsilon.flatten() / self.size(d).clamp_min(torch.finfo(d.dtype).tiny)
        for _ in range(100):
            full = column(t, d) * reach >= most
            spent = (most**2 * full).flatten(1).sum(1)
            free = (reach**2 * ~full).flatten(1).sum(1)
            better = torch.where(
                free > 0, ((budget - spent).clamp_min(0) / free.clamp_min(torch.finfo(d.dtype).tiny)).sqrt(), t
            )
            if not bool(((better > t * (1 + 1e-12)) & outside).any()):
                break
            t = torch.maximum(t, better)
        return torch.where(column(outside, d), room.clip(column(t, d) * d), clipped)

    def random(self, rng: Rows, room: Room, epsilon: Tensor) -> Tensor:
        """Return draws uniform in direction and in the ball's volume."""
        radius = rng.uniform(room.x0.flatten(1)[:, :1])[:, 0] ** (1 / room.free.clamp_min(1))
        return self._unit(rng.normal(room.x0) * room.zone) * column(radius, room.x0) * epsilon


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

    def random(self, rng: Rows, room: Room, epsilon: Tensor) -> Tensor:
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

    def random(self, rng: Rows, room: Room, epsilon: Tensor) -> Tensor:
        """Return epsilon values (rounded down) of the zone, moved to anywhere in the box."""
        lot = torch.where(room.zone, rng.uniform(room.x0) + 1, room.x0.new_zeros(())).flatten(1)
        chosen = largest(lot, count(epsilon.floor(), lot)).view_as(room.zone)
        return (room.low + rng.uniform(room.x0) * (room.high - room.low)) * (chosen & room.zone)


NORMS: dict[str, Norm] = {"linf": Linf(), "l2": L2(), "l1": L1(), "l0": L0()}
