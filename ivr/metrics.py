"""What the voice side counts. Labels are closed words: never a number, a name or anything a caller keyed."""

from prometheus_client import Counter, Gauge, Histogram

CALLS = Counter("hotline_calls", "Calls that ended", ["line", "outcome"])
IN_PROGRESS = Gauge("hotline_calls_in_progress", "Calls in progress on this node", ["line"])
ENTERED = Counter("hotline_nodes_entered", "Nodes entered", ["node"])
LOOK_UPS = Histogram(
    "hotline_look_up_seconds",
    "Time the world took to answer",
    ["what", "outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5),
)
UNWRITTEN = Gauge("hotline_calls_unwritten", "Calls waiting in memory for the database")
FLOW_REFUSED = Gauge("hotline_flows_refused", "1 while the folder has faults and an older version runs")
