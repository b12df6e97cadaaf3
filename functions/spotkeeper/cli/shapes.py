"""What an operator asks the price of: a machine type by its name, with what is attached to it."""

import argparse
import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from difflib import get_close_matches

from spotkeeper.errors import RefusedRequestError
from spotkeeper.instances import Disk, Shape
from spotkeeper.pricing.attachments import disk_types
from spotkeeper.pricing.families import WORKSTATION, family_of
from spotkeeper.pricing.machine_types import known_machine_types
from spotkeeper.pricing.price_list import known_shape
from spotkeeper.pricing.reference_data import rows

_TAKE_GPUS = ("n1-standard-", "n1-highmem-", "n1-highcpu-", "n1-custom-", "custom-")
"""https://cloud.google.com/compute/docs/gpus: other types come with GPUs, or have none."""

_GPU = "gpu:"
_REGIONAL, _IOPS, _THROUGHPUT = "regional", "iops", "throughput"
_WHOLE = re.compile(r"0*[1-9]\d{0,5}")
"""A number from 1 to far more than any VM has."""


def gpu_argument(text: str) -> tuple[str, int]:
    """Read `nvidia-tesla-t4=2`; a type alone is one GPU."""
    gpu_type, _, count = text.partition("=")
    if not gpu_type or not _WHOLE.fullmatch(count or "1"):
        message = f"{text!r} is not a GPU type and how many, such as nvidia-tesla-t4=1"
        raise argparse.ArgumentTypeError(message)
    return gpu_type, int(count or 1)


def local_ssd_argument(text: str) -> int:
    """Read how many GiB of local SSD there are in all."""
    if not _WHOLE.fullmatch(text):
        message = f"{text!r} is not a whole number of GiB such as 375"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def disk_argument(text: str) -> Disk:
    """Read `pd-balanced=100`, `pd-ssd=100,regional` or `hyperdisk-balanced=500,iops=6000,throughput=300`."""
    what, *options = text.split(",")
    disk_type, _, size = what.partition("=")
    given = dict(option.partition("=")[::2] for option in options)
    numbers = {name: value for name, value in given.items() if name != _REGIONAL}
    regional = _REGIONAL in given
    if not _WHOLE.fullmatch(size) or not numbers.keys() <= {_IOPS, _THROUGHPUT} or given.get(_REGIONAL):
        message = f"{text!r} is not a type of disk and its size in GiB, such as pd-balanced=100"
        raise argparse.ArgumentTypeError(message)
    for name, value in numbers.items():
        if not _WHOLE.fullmatch(value):
            message = f"{name}={value} is not a whole number such as {name}=3000"
            raise argparse.ArgumentTypeError(message)
    disk = Disk(disk_type, Decimal(size), int(numbers.get(_IOPS, 0)), int(numbers.get(_THROUGHPUT, 0)), regional)
    if disk.name not in disk_types():
        raise argparse.ArgumentTypeError(unknown("disk type", disk.name, disk_types()))
    return disk


def asked_shape(machine_type: str, gpu: tuple[str, int] | None, local_ssd_gib: int | None) -> Shape:
    """Return a machine type with what is attached; raises RefusedRequestError for what nobody can buy."""
    shape = known_shape(machine_type)
    if shape is None:
        family = family_of(machine_type)
        if family is not None and family.unknown:
            message = f"{machine_type} is not priced: {family.unknown}"
            raise RefusedRequestError(message)
        raise RefusedRequestError(unknown("machine type", machine_type, known_machine_types()))
    if gpu:
        if not machine_type.startswith(_TAKE_GPUS):
            own = f"comes with {shape.gpu_count} {shape.gpu_type}" if shape.gpu_count else "takes none"
            message = f"GPUs can be attached to N1 machine types only; {machine_type} {own}"
            raise RefusedRequestError(message)
        sold = [row["component"].removeprefix(_GPU) for row in rows("components") if row["component"].startswith(_GPU)]
        if gpu[0].removesuffix(WORKSTATION) not in sold:
            raise RefusedRequestError(unknown("GPU type", gpu[0], sold))
        shape = replace(shape, gpu_type=gpu[0], gpu_count=gpu[1])
    if local_ssd_gib:
        if shape.local_ssd_gib:
            message = f"{machine_type} comes with {shape.local_ssd_gib} GiB of local SSD; no other can be attached"
            raise RefusedRequestError(message)
        shape = replace(shape, local_ssd_gib=local_ssd_gib)
    return shape


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return a sentence that says that nobody knows this, and what is named almost the same."""
    near = get_close_matches(name.lower(), list(known), n=4, cutoff=0.5)
    return f"{what} {name!r} is not known" + (f"; did you mean {_either(near)}?" if near else "")


def _either(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
