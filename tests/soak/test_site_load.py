"""A hundred switches of a site under load: no visitor is refused, cut off, or shown anything but one release or the other."""

from __future__ import annotations

from tests.systems.sites.host.conftest import machine as machine
from tests.systems.sites.host.conftest import place as place
from tests.systems.sites.host.places import Place, under_load


def test_a_hundred_switches_fail_no_request(place: Place) -> None:
    seen = under_load(place, switches=100, visitors=12)
    print(
        f"{seen['fresh']:,} on new connections, {seen['kept']:,} on kept ones, {seen['reopened']:,} asked anew: {seen}"
    )
    assert seen["failed"] == 0 and seen["fresh"] > 1000 and seen["kept"] > 1000, seen
