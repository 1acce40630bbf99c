"""What probes of a runtime that is still well say about tomorrow. Pure.

A vendor who renames an optional field breaks nothing that a runtime could count: records go on being
written, each without that value. So the monitor also looks at a few records, and hands what differs
from the schema, or from the records of a good day, to `Monitor.observe_drift` together with the
comparison of the documents.
"""

from __future__ import annotations

from collections.abc import Collection

from vitesse_graph.healing.impact import touched_rows
from vitesse_graph.healing.probes import Probe
from vitesse_graph.healing.schema_diff import sort_items
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.mapping import MappingLogic


def drift_from_probes(probes: Collection[Probe], mapping: MappingLogic) -> list[DriftItem]:
    """The drift seen in records, and values that changed in kind (as risky), where the mapping reads them."""
    items = [item for probe in probes for item in probe.drift]
    told = {(item.side, item.path) for item in items if item.severity != "safe"}
    for probe in probes:
        for shift in probe.shifts:
            touched = touched_rows(mapping, probe.side, shift.path)
            if touched and (probe.side, shift.path) not in told:
                items.append(
                    DriftItem(
                        kind="constraint_changed",
                        side=probe.side,
                        severity="risky",
                        path=shift.path,
                        confidence=0.7,
                        detail=shift.detail,
                        affects=list(dict.fromkeys(one.row.dest_field for one in touched)),
                    )
                )
    return sort_items(items)
