"""What must hold of the place itself: it is seen to, tidied and examined, and knows its neighbours."""

from debusine.plugin import Finding, Grade
from debusine.testing.file_stores.suite import (
    Backend,
    FileStoreSuite,
    listed_data,
    require_content,
    require_success,
    stored,
)
from debusine.testing.requirements import require
from debusine.testing.sources import Sources


class Places(FileStoreSuite):
    """Looking at a place changes nothing of what is kept in it."""

    async def test_a_usable_place_can_be_prepared_twice(self, backend: Backend, sources: Sources) -> None:
        """Every server of a cluster prepares the place, at every start, while others use it."""
        await require_success(backend.prepare(), "prepare() must accept a usable place")
        source = sources.of_size(1000)
        data = await stored(backend, source)
        await require_success(backend.prepare(), "prepare() must accept a place that is in use")
        await require_content(backend, source, data, "prepare() must leave what is kept in the place")

    async def test_a_usable_place_can_be_probed(self, backend: Backend) -> None:
        """It is asked for every few seconds while a store fails, so it makes nothing."""
        for _ in range(3):
            await require_success(backend.probe(), "probe() must accept a usable place")
        require(await listed_data(backend) == [], "probe() must make nothing; entries() lists something after it")

    async def test_tidying_leaves_the_objects(self, backend: Backend, sources: Sources) -> None:
        """It lets go only of what was begun and never came to its end."""
        source = sources.of_size(1000)
        data = await stored(backend, source)
        for _ in range(2):
            count = await backend.tidy([])
            require(count == 0, f"tidy() must let go of nothing in a place that is in order, and say 0, not {count!r}")
        await require_content(backend, source, data, "tidy() must leave every object")

    async def test_an_examination_of_a_good_place_finds_nothing_wrong(self, backend: Backend, sources: Sources) -> None:
        """And says what it looked at, for the operator to read; what it makes, it takes away."""
        source = sources.of_size(1000)
        data = await stored(backend, source)
        async for finding in backend.examine():
            require(isinstance(finding, Finding), f"examine() must yield objects of Finding, not {finding!r}")
            fault = fault_of(finding)
            require(not fault, f"examine() must yield findings that an operator can read; {fault}: {finding}")
            require(finding.grade is not Grade.WRONG, f"examine() must find nothing wrong in a good place: {finding}")
        require(
            await listed_data(backend) == [data], "examine() must leave the objects as they are, and none of its own"
        )

    async def test_it_shares_its_place_with_itself(self, backend: Backend) -> None:
        """Two stores in one place would take each other's objects for left-overs; the farm asks before it starts."""
        name = type(backend).__name__
        require(backend.shares_place_with(backend) is True, f"{name}.shares_place_with() must be True for itself")
        if self.persistent:
            async with self.second(backend) as other:
                shared = backend.shares_place_with(other)
            require(shared is True, f"{name}.shares_place_with() must be True for another one with the same options")

    async def test_what_it_fronts_is_a_list_of_names(self, backend: Backend) -> None:
        """The farm gives the stores of these names to ``bind``; nothing for most."""
        fronts = backend.fronts
        names = not isinstance(fronts, str) and all(isinstance(name, str) for name in fronts)
        require(names, f"fronts must be a collection of names of stores, not {fronts!r}")
        if not fronts:
            backend.bind({"Default": backend})

    async def test_where_the_bytes_are_is_told_by_options_that_exist(self, backend: Backend) -> None:
        """A start that would change one of them is refused while the store holds files."""
        names = {field.name for field in type(backend).Options.__attrs_attrs__}
        unknown = sorted(set(backend.place or ()) - names)
        require(unknown == [], f"place must name options of {type(backend).__name__}.Options; it has no {unknown}")


def fault_of(finding: Finding) -> str:
    """Why an operator could not read a finding; nothing: it is well."""
    if not isinstance(finding.grade, Grade):
        return f"its grade must be one of {', '.join(Grade)}"
    if not finding.what.strip() or "\n" in finding.what:
        return "`what` must be one line"
    if finding.grade is not Grade.GOOD and not finding.detail.strip():
        return "`detail` must say what was seen and what to do about it"
    return ""
