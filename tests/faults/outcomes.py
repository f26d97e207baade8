"""What was counted: bad things, of so many that were looked at."""

from attrs import frozen


@frozen
class Tally:
    """One figure."""

    #: What went wrong with them: lost, partial.
    how: str
    bad: int
    seen: int
    #: What they are: acknowledged, listed.
    what: str

    def __str__(self) -> str:
        return f"{self.how} {self.bad} of {self.seen} {self.what}"


@frozen
class Outcome:
    """The figures of one way to write, in order or with a bug planted in it; the first one is what it is about."""

    name: str
    tallies: tuple[Tally, ...]
    #: Whether a bug was planted, which has to be seen.
    planted: bool = False

    @property
    def as_it_should_be(self) -> bool:
        """Nothing bad was seen, among something; or, with a bug, something was."""
        bad = sum(tally.bad for tally in self.tallies)
        return bad > 0 if self.planted else bad == 0 and self.tallies[0].seen > 0

    def __str__(self) -> str:
        verdict = "" if self.as_it_should_be else "   <-- NOT SEEN" if self.planted else "   <-- WRONG"
        return f"  {self.name:<42} {', '.join(map(str, self.tallies))}{verdict}"
