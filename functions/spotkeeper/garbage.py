"""When Python looks for garbage in cycles."""

import gc

_OBJECTS_PER_COLLECTION = 50_000


def spare_collections() -> None:
    """Leave out of garbage collections what was imported, and collect seldom: lists of VMs and disks have no cycles.

    Of a run over 10,000 VMs a full collection of the 250,000 objects of client libraries took a fifth of the CPU time,
    and those of each 2,000 new objects a twentieth.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
