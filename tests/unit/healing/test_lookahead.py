"""What probes say while the runtime is still well."""

from __future__ import annotations

from vitesse_graph.healing import Monitor, Probe, Shift, drift_from_probes
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.mapping import MappingLogic, Transformation

MAPPING = MappingLogic(transformations=[Transformation(source_field="total", dest_field="value")])


def seen(**words: object) -> Probe:
    return Probe.model_validate(
        {"side": "source", "kind": "read", "target": "GET https://a.example/x", "status": 200, **words}
    )


def test_values_that_changed_in_kind_alert_where_they_are_mapped() -> None:
    shifts = [
        Shift(path="total", kind="rescaled", detail="its numbers are 100 times larger"),
        Shift(path="note", kind="emptied", detail="empty in 90% of the records"),
    ]
    (item,) = drift_from_probes([seen(shifts=shifts)], MAPPING)
    assert (item.path, item.severity, item.affects) == ("total", "risky", ["value"])
    assert Monitor().observe_drift([item], 0).action == "start_heal"


def test_what_the_schema_tells_already_is_not_told_twice() -> None:
    gone = DriftItem(
        kind="field_removed", side="source", severity="breaking", path="total", affects=["value"]
    )
    shift = Shift(path="total", kind="emptied", detail="empty in all records")
    assert drift_from_probes([seen(drift=[gone], shifts=[shift])], MAPPING) == [gone]
