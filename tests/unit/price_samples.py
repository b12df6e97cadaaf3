"""Rates, machine types and what these are billed for, for the tests of prices."""

from collections.abc import Iterable
from decimal import Decimal

from spotkeeper.instances import Shape
from spotkeeper.pricing.machine_types import sizes
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.skus import Market, Rate, RateUnit

SPOT, ON_DEMAND = Market.SPOT, Market.ON_DEMAND
IOWA, BELGIUM = "us-central1", "europe-west1"


def rate(component: str, usd: str, market: Market = SPOT, region: str = IOWA) -> Rate:
    kind = component.rpartition(":")[2]
    unit = {"core": RateUnit.VCPU_HOUR, "instance": RateUnit.INSTANCE_HOUR}.get(kind, RateUnit.GIB_HOUR)
    return Rate(component, market, region, f"{component} {market} {region}", component, unit, Decimal(usd))


USD = {
    "n1:core": "0.031",
    "n1:ram": "0.0042",
    "n1-custom:core": "0.033",
    "n1-custom:ram": "0.0044",
    "n1-custom:ram-extended": "0.0095",
    "n2:core": "0.03",
    "n2:ram": "0.004",
    "n2-custom:core": "0.032",
    "n2-custom:ram": "0.0041",
    "n2-custom:ram-extended": "0.0096",
    "n2d-custom:core": "0.028",
    "n2d-custom:ram": "0.0038",
    "n2d-custom:ram-extended": "0.0083",
    "e2:core": "0.02",
    "e2:ram": "0.003",
    "e2-custom:core": "0.021",
    "e2-custom:ram": "0.0031",
    "n4-custom:core": "0.034",
    "n4-custom:ram": "0.0039",
    "n4-custom:ram-extended": "0.0097",
    "f1-micro:instance": "0.0076",
    "g1-small:instance": "0.0257",
    "c3:core": "0.034",
    "c3:ram": "0.0039",
    "c4:core": "0.035",
    "c4:ram": "0.004",
    "m1:core": "0.0348",
    "m1:ram": "0.0051",
    "m2-premium:core": "0.005",
    "m2-premium:ram": "0.0007",
    "m4:core": "0.03",
    "m4:ram": "0.0037",
    "m4-ultramem-224:core": "0.04",
    "m4-ultramem-224:ram": "0.005",
    "z3:core": "0.05",
    "z3:ram": "0.006",
    "a2:core": "0.0316",
    "a2:ram": "0.00424",
    "a3:core": "0.029",
    "a3:ram": "0.0025",
    "a3plus:core": "0.0291",
    "a3plus:ram": "0.0026",
    "g2:core": "0.025",
    "g2:ram": "0.0029",
    "g4:core": "0.0489",
    "g4:ram": "0.0055",
    "gpu:nvidia-tesla-t4": "0.35",
    "gpu:nvidia-l4": "0.56",
    "gpu:nvidia-tesla-a100": "2.93",
    "gpu:nvidia-a100-80gb": "3.93",
    "gpu:nvidia-h100-80gb": "9.8",
    "gpu:nvidia-h100-mega-80gb": "9.9",
    "gpu:nvidia-rtx-pro-6000": "1.15",
    "local-ssd": "0.0001",
    "c4:local-ssd": "0.0002",
    "g4:local-ssd": "0.0003",
    "a4:gpu-slice": "4.9542",
    "g4:gpu-eighth": "0.64688",
    "m4n:core": "0.0417",
    "m4n:ram": "0.0051",
    "m4n-ultramem-224:core": "0.041706",
    "m4n-ultramem-224:ram": "0.0102166",
    "z3:local-ssd": "0.0009",
}
SPOT_RATES = [rate(component, usd) for component, usd in USD.items()]
BOOK = PriceBook(SPOT_RATES)


def shape(
    machine_type: str, *, gpu_type: str | None = None, gpu_count: int = 0, local_ssd_gib: int | None = None
) -> Shape:
    """A machine type as it comes, or with what is attached to it."""
    size = sizes(machine_type)
    if size is None:
        return Shape(machine_type, None, None)
    return Shape(
        machine_type,
        size.vcpus,
        size.memory_gib,
        gpu_type or size.gpu_type,
        gpu_count or size.gpu_count,
        size.local_ssd_gib if local_ssd_gib is None else local_ssd_gib,
    )


def total(parts: Iterable[tuple[str, str]]) -> Decimal:
    return sum((Decimal(USD[component]) * Decimal(quantity) for component, quantity in parts), Decimal(0))


PRICED = [
    (shape("n2-standard-4"), [("n2:core", "4"), ("n2:ram", "16")]),
    (shape("n1-highcpu-2"), [("n1:core", "2"), ("n1:ram", "1.8")]),
    (shape("c3-standard-8"), [("c3:core", "8"), ("c3:ram", "32")]),
    # custom types
    (shape("custom-4-8192"), [("n1-custom:core", "4"), ("n1-custom:ram", "8")]),
    (shape("n1-custom-4-8192"), [("n1-custom:core", "4"), ("n1-custom:ram", "8")]),
    (shape("n2-custom-6-10240"), [("n2-custom:core", "6"), ("n2-custom:ram", "10")]),
    (shape("n2d-custom-8-2304"), [("n2d-custom:core", "8"), ("n2d-custom:ram", "2.25")]),
    (shape("e2-custom-2-4096"), [("e2-custom:core", "2"), ("e2-custom:ram", "4")]),
    (shape("n4-custom-4-9216"), [("n4-custom:core", "4"), ("n4-custom:ram", "9")]),
    # extended memory, at its limit and beyond
    (shape("n2-custom-2-16384-ext"), [("n2-custom:core", "2"), ("n2-custom:ram", "16")]),
    (
        shape("n2-custom-2-16640-ext"),
        [("n2-custom:core", "2"), ("n2-custom:ram", "16"), ("n2-custom:ram-extended", "0.25")],
    ),
    (
        shape("n2d-custom-2-20480-ext"),
        [("n2d-custom:core", "2"), ("n2d-custom:ram", "16"), ("n2d-custom:ram-extended", "4")],
    ),
    (
        shape("n4-custom-2-20480-ext"),
        [("n4-custom:core", "2"), ("n4-custom:ram", "16"), ("n4-custom:ram-extended", "4")],
    ),
    (
        shape("n1-custom-1-7680-ext"),
        [("n1-custom:core", "1"), ("n1-custom:ram", "6.5"), ("n1-custom:ram-extended", "1")],
    ),
    (shape("custom-2-13312-ext"), [("n1-custom:core", "2"), ("n1-custom:ram", "13")]),
    (
        shape("custom-1-7680-ext"),
        [("n1-custom:core", "1"), ("n1-custom:ram", "6.5"), ("n1-custom:ram-extended", "1")],
    ),
    # shared cores
    (shape("e2-micro"), [("e2:core", "0.25"), ("e2:ram", "1")]),
    (shape("e2-small"), [("e2:core", "0.5"), ("e2:ram", "2")]),
    (shape("e2-medium"), [("e2:core", "1"), ("e2:ram", "4")]),
    (shape("e2-custom-small-2048"), [("e2-custom:core", "0.5"), ("e2-custom:ram", "2")]),
    (shape("f1-micro"), [("f1-micro:instance", "1")]),
    (shape("g1-small"), [("g1-small:instance", "1")]),
    # attached GPUs and local SSD
    (
        shape("n1-standard-8", gpu_type="nvidia-tesla-t4", gpu_count=2),
        [("n1:core", "8"), ("n1:ram", "30"), ("gpu:nvidia-tesla-t4", "2")],
    ),
    (
        shape("custom-4-8192", gpu_type="nvidia-tesla-t4", gpu_count=1, local_ssd_gib=375),
        [("n1-custom:core", "4"), ("n1-custom:ram", "8"), ("gpu:nvidia-tesla-t4", "1"), ("local-ssd", "375")],
    ),
    (shape("n2-standard-4", local_ssd_gib=750), [("n2:core", "4"), ("n2:ram", "16"), ("local-ssd", "750")]),
    (
        shape("g2-standard-4", local_ssd_gib=375),
        [("g2:core", "4"), ("g2:ram", "16"), ("gpu:nvidia-l4", "1"), ("local-ssd", "375")],
    ),
    # bundled GPUs and local SSD
    (shape("g2-standard-48"), [("g2:core", "48"), ("g2:ram", "192"), ("gpu:nvidia-l4", "4")]),
    (shape("g4-standard-96"), [("g4:core", "96"), ("g4:ram", "360"), ("gpu:nvidia-rtx-pro-6000", "2")]),
    (shape("a4-highgpu-8g"), [("a4:gpu-slice", "8")]),
    (shape("g4-standard-6"), [("g4:gpu-eighth", "1")]),
    (shape("g4-standard-12"), [("g4:gpu-eighth", "2")]),
    (shape("g4-standard-24"), [("g4:gpu-eighth", "4")]),
    (
        shape("g4-standard-48", local_ssd_gib=1500),
        [("g4:core", "48"), ("g4:ram", "180"), ("gpu:nvidia-rtx-pro-6000", "1"), ("g4:local-ssd", "1500")],
    ),
    (shape("a2-megagpu-16g"), [("a2:core", "96"), ("a2:ram", "1360"), ("gpu:nvidia-tesla-a100", "16")]),
    (
        shape("a2-ultragpu-2g"),
        [("a2:core", "24"), ("a2:ram", "340"), ("gpu:nvidia-a100-80gb", "2"), ("local-ssd", "750")],
    ),
    (
        shape("a3-highgpu-1g"),
        [("a3:core", "26"), ("a3:ram", "234"), ("gpu:nvidia-h100-80gb", "1"), ("local-ssd", "750")],
    ),
    (
        shape("a3-megagpu-8g"),
        [("a3plus:core", "208"), ("a3plus:ram", "1872"), ("gpu:nvidia-h100-mega-80gb", "8"), ("local-ssd", "6000")],
    ),
    (shape("c3-standard-8-lssd"), [("c3:core", "8"), ("c3:ram", "32"), ("local-ssd", "750")]),
    (shape("c4-standard-8-lssd"), [("c4:core", "8"), ("c4:ram", "30"), ("c4:local-ssd", "375")]),
    (shape("z3-highmem-8-highlssd"), [("z3:core", "8"), ("z3:ram", "64"), ("local-ssd", "3000")]),
    # memory-optimized types
    (shape("m1-ultramem-40"), [("m1:core", "40"), ("m1:ram", "961")]),
    (shape("n1-ultramem-40"), [("m1:core", "40"), ("m1:ram", "961")]),
    (
        shape("m2-ultramem-208"),
        [("m1:core", "208"), ("m1:ram", "5888"), ("m2-premium:core", "208"), ("m2-premium:ram", "5888")],
    ),
    (shape("m4-megamem-28"), [("m4:core", "28"), ("m4:ram", "372")]),
    (shape("m4-ultramem-224"), [("m4-ultramem-224:core", "224"), ("m4-ultramem-224:ram", "5952")]),
    (shape("m4n-ultramem-112"), [("m4n:core", "112"), ("m4n:ram", "2976")]),
    (shape("m4n-ultramem-224"), [("m4n-ultramem-224:core", "224"), ("m4n-ultramem-224:ram", "5952")]),
]
SHAPES = [priced for priced, _ in PRICED]
