"""The programs: the only wiring, the only ``asyncio.run``."""
