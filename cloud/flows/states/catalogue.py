"""All flows by item."""

from collections.abc import Mapping

from cloud.flows.states.endorsement import ENDORSEMENT
from cloud.flows.states.renewal import RENEWAL
from cloud.flows.states.steps import Flow

FLOWS: Mapping[str, Flow] = {flow.item: flow for flow in (ENDORSEMENT, RENEWAL)}

ITEM_NAMES: Mapping[str, tuple[str, str]] = {item: (flow.name.zh, flow.name.en) for item, flow in FLOWS.items()}
"""What screens call the items: id -> (Chinese, English)."""
