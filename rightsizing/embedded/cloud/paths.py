"""Pages the local cloud has beside the AWS APIs."""

STATUS_PATH = "/rightsizing/status"
CLEAR_METRICS_PATH = "/rightsizing/metrics/clear"
HISTORY_PATH = "/rightsizing/metrics/history"
