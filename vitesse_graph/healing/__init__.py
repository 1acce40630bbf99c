"""Drift, diagnosis, repair and the monitor: how an integration keeps working when APIs change.

Everything that decides is a function over data: `diff_specs` and `observe_drift` say what changed,
`diagnose` names the cause, `choose_strategy` the next thing to try, `repair_mapping` and
`compare_outputs` keep a repair small and show it, `Monitor` says when. Effects are at the edge:
`probe` asks the APIs through a client that is given, `Watch` runs the loop over callables,
`send_alert` signs and posts.
"""

from vitesse_graph.healing.alerts import Alert, AlertEvent, alert_data, send_alert, sign_alert
from vitesse_graph.healing.amend import amend_schema
from vitesse_graph.healing.diagnosis import STRATEGIES, diagnose
from vitesse_graph.healing.findings import findings_of
from vitesse_graph.healing.health import rolling_health, status_health
from vitesse_graph.healing.kept import FieldFates, with_ignored
from vitesse_graph.healing.lookahead import drift_from_probes
from vitesse_graph.healing.monitor import Monitor, MonitorDecision, MonitorSettings, MonitorState
from vitesse_graph.healing.observed import observe_drift
from vitesse_graph.healing.outputs import OutputDifferences, compare_outputs
from vitesse_graph.healing.policy import AlertTarget, HealPolicy, alerts_of, policy_of
from vitesse_graph.healing.probe_plan import plan_probes
from vitesse_graph.healing.probes import Credential, Probe, Target, probe
from vitesse_graph.healing.profiles import RecordProfile, Shift, compare_profiles, profile_records
from vitesse_graph.healing.reading import (
    Conclusion,
    Reading,
    error_texts,
    in_words,
    names_seen,
    read_with_model,
)
from vitesse_graph.healing.renames import Rename, find_renames
from vitesse_graph.healing.repair import (
    RepairChange,
    RowChange,
    compare_mappings,
    follow_renames,
    repair_mapping,
)
from vitesse_graph.healing.report import render_drift
from vitesse_graph.healing.schema_diff import diff_schemas
from vitesse_graph.healing.spec_diff import diff_specs, find_successor
from vitesse_graph.healing.strategy import choose_strategy, needs_approval
from vitesse_graph.healing.watch import HealEnd, Hooks, Watch

__all__ = [
    "STRATEGIES",
    "Alert",
    "AlertEvent",
    "AlertTarget",
    "Conclusion",
    "Credential",
    "FieldFates",
    "HealEnd",
    "HealPolicy",
    "Hooks",
    "Monitor",
    "MonitorDecision",
    "MonitorSettings",
    "MonitorState",
    "OutputDifferences",
    "Probe",
    "Reading",
    "RecordProfile",
    "Rename",
    "RepairChange",
    "RowChange",
    "Shift",
    "Target",
    "Watch",
    "alert_data",
    "alerts_of",
    "amend_schema",
    "choose_strategy",
    "compare_mappings",
    "compare_outputs",
    "compare_profiles",
    "diagnose",
    "diff_schemas",
    "diff_specs",
    "drift_from_probes",
    "error_texts",
    "find_renames",
    "find_successor",
    "findings_of",
    "follow_renames",
    "in_words",
    "names_seen",
    "needs_approval",
    "observe_drift",
    "plan_probes",
    "policy_of",
    "probe",
    "profile_records",
    "read_with_model",
    "render_drift",
    "repair_mapping",
    "rolling_health",
    "send_alert",
    "sign_alert",
    "status_health",
    "with_ignored",
]
