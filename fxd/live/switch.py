"""Which path is heard, and how one takes the place of another: always by a fade, one after the other.

Four lanes are enough, as only one path is replaced at a time:

    lane          0        1        2        3
    at first    bypass    dsp      tcn      free
    new dsp     bypass    dsp      tcn      dsp'     both run, until the new one has forgotten that it began late
    after it    bypass    free     tcn      dsp'     heard, if the old one was

A wish that comes while another is under way waits; of several for the same thing, the last one counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fxd.live.board import LANES
from fxd.live.desk import Desk
from fxd.live.engines import Role
from fxd.live.paths import Path

MOST_GAIN = 100.0
"""40 dB either way."""


@dataclass(frozen=True)
class Newcomer:
    """A path that is to take another one's place."""

    role: Role
    path: Path
    after: int
    """Frames that it runs before it is heard."""
    level: float
    """Over that of the dry sound, in the rehearsal."""


class Switcher:
    """Brings wishes to the desk, one at a time."""

    def __init__(
        self,
        desk: Desk,
        paths: Mapping[Role, Path],
        levels: Mapping[Role, float],
        heard: Role,
        is_alike: bool,
    ) -> None:
        self.desk = desk
        self.lanes: dict[Role, int] = {}
        self.levels = dict(levels)
        self.is_alike = is_alike
        """Whether the network learned just this saturator."""
        self.heard = self.wish = self.before = heard
        self.switches = 0
        self.coming: dict[Role, Newcomer] = {}
        self.arriving: tuple[Newcomer, int] | None = None
        for lane, (role, path) in enumerate(paths.items()):
            desk.place(lane, path)
            self.lanes[role] = lane
        if heard == "bypass":
            desk.set_gain(self.lanes[heard], self.gain(heard))
        desk.begin(set(self.lanes.values()), self.lanes[heard])

    def choose(self, role: Role) -> bool:
        """Wish to hear this one; False where the session has none."""
        if role not in self.lanes:
            return False
        if role != self.wish:
            self.before, self.wish = self.wish, role
        return True

    def go_back(self) -> None:
        """Wish to hear the one that was wished before."""
        self.choose(self.before)

    def replace(self, newcomer: Newcomer) -> None:
        """Wish to have another path in a role."""
        self.coming[newcomer.role] = newcomer

    def tick(self) -> Newcomer | None:
        """Go on where the desk is ready; returns a newcomer that has just taken its place."""
        if self.desk.busy:
            return None
        arrived = self.settle()
        if self.coming:
            self.bring(self.coming.pop(next(iter(self.coming))))
        elif self.wish != self.heard:
            self.fade_to(self.wish)
        return arrived

    def settle(self) -> Newcomer | None:
        if self.arriving is None:
            return None
        newcomer, lane = self.arriving
        self.arriving = None
        self.lanes[newcomer.role] = lane
        self.levels[newcomer.role] = newcomer.level
        return newcomer

    def bring(self, newcomer: Newcomer) -> None:
        lane = next(lane for lane in range(LANES) if lane not in self.lanes.values())
        self.desk.place(lane, newcomer.path)
        self.desk.set_gain(lane, self.gain_of(newcomer.role, newcomer.level))
        others = {own for role, own in self.lanes.items() if role != newcomer.role}
        heard = lane if self.heard == newcomer.role else self.lanes[self.heard]
        self.desk.ask({*self.lanes.values(), lane}, heard, newcomer.after, then={*others, lane})
        self.arriving = newcomer, lane

    def fade_to(self, role: Role) -> None:
        self.desk.set_gain(self.lanes[role], self.gain(role))
        self.desk.ask(set(self.lanes.values()), self.lanes[role])
        self.heard = role
        self.switches += 1

    def gain(self, role: Role) -> float:
        return self.gain_of(role, self.level(role))

    def gain_of(self, role: Role, level: float) -> float:
        """What makes a path as loud as the reference: the saturator, else the network.

        The bypass is as loud as the sound of the last seconds was with the reference. The network is left as it
        is where it learned just this saturator: what it gets wrong is then to be heard.
        """
        reference: Role = "dsp" if "dsp" in self.lanes else "tcn"
        if role == reference or reference not in self.lanes or (role == "tcn" and self.is_alike):
            return 1.0
        return min(max(self.level(reference) / level, 1 / MOST_GAIN), MOST_GAIN)

    def level(self, role: Role) -> float:
        """A path's level over the dry sound's, of what was played, else in the rehearsal."""
        return self.desk.level(self.lanes[role]) or self.levels[role]
