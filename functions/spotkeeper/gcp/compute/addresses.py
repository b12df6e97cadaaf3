"""Compute Engine: the reserved external addresses of a project."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from spotkeeper.gcp.compute.instances import labels_of
from spotkeeper.gcp.compute.lists import PARSE_ERRORS, AddressList, Json, compute_calls, last_part, unexpected
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.ports import Report
from spotkeeper.pricing.attachments import GLOBAL
from spotkeeper.tracking.addresses import ListedAddress
from spotkeeper.tracking.disks import Place
from spotkeeper.values import identifier, optional_string, string, time

_ADDRESS_FIELDS = "id,name,region,addressType,ipVersion,ipCollection,status,users,labels,creationTimestamp"

_INTERNAL = "INTERNAL"
"""Internal addresses are free: https://cloud.google.com/vpc/network-pricing#ipaddress"""

_IN_USE = "IN_USE"


class ComputeAddresses:
    """Lists the reserved external addresses of a project over all regions, used or not."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._list = AddressList(compute_calls(endpoint, retry_timeout), _ADDRESS_FIELDS)

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters that choose what is read."""
        return self._list.query

    def addresses(self, project_id: str, report: Report) -> Iterator[ListedAddress]:
        """Yield every external address; a region that does not answer, and one that cannot be read, is reported."""

        def read(found: Json) -> ListedAddress:
            return to_address(project_id, found)

        external = (each for each in self._list.items(project_id, report) if each.get("addressType") != _INTERNAL)
        return parse_each(external, read, report)


def to_address(project_id: str, found: Json) -> ListedAddress:
    """Return what is kept of an address as Compute Engine describes it, in JSON."""
    try:
        return _address(project_id, found)
    except PARSE_ERRORS as error:
        raise unexpected(error, f"address {str(found.get('name'))[:80]!a}") from error


def _address(project_id: str, found: Json) -> ListedAddress:
    written = found.get("users", [])
    places = tuple(sorted(place for url in written if (place := _instance(url))))
    return ListedAddress(
        project_id=project_id,
        region=last_part(optional_string(found.get("region"))) or GLOBAL,
        address_id=identifier(found["id"]),
        name=string(found["name"]),
        created=time(found["creationTimestamp"]).replace(microsecond=0),
        users=places,
        labels=labels_of(found.get("labels", {})),
        special=_special(found),
        # What is in use, and does not say by whom, is not known to be unused.
        other_users=len(places) < len(written) or (found["status"] == _IN_USE and not written),
    )


def _instance(url: object) -> Place | None:
    """The zone and the name of an instance, `…/zones/ZONE/instances/NAME`; None for another user."""
    *_, zone, kind, name = ["", "", *string(url).split("/")]
    return (zone, name) if kind == "instances" else None


def _special(found: Json) -> str:
    """What makes an address billed otherwise than a regional IPv4 address of Google's."""
    if not found.get("region"):
        return "global"
    if optional_string(found.get("ipVersion")) not in {"", "IPV4"}:
        return "IPv6"
    return "of an own range (BYOIP)" if found.get("ipCollection") else ""
