"""Incidents that can be started: each changes the data the platform writes, or how its services answer.

To add one, write its functions in a module of this package and a line in ``EPISODES``.
"""

from simulator.episodes import admin_attack, demand, fraud, services, traffic
from simulator.episodes.kind import Episode, Kind

EPISODES: dict[str, Kind] = {
    "bot_swarm": fraud.BOT_SWARM,
    "fraud_spike": fraud.FRAUD_SPIKE,
    "card_testing": fraud.CARD_TESTING,
    "scalper": fraud.SCALPER,
    "drift": fraud.DRIFT,
    "quiet_predictions": demand.QUIET_PREDICTIONS,
    "launch": demand.LAUNCH,
    "traffic_flood": traffic.TRAFFIC_FLOOD,
    "slow_api": services.SLOW_API,
    "slow_rpc": services.SLOW_RPC,
    "service_down": services.SERVICE_DOWN,
    "admin_attack": admin_attack.ADMIN_ATTACK,
}

__all__ = ["EPISODES", "Episode", "Kind"]
