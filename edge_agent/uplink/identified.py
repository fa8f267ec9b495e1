"""The uplink of an enrolled machine: every link with the pair that is in use at that moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge_agent.errors import AgentError, LinkLost
from edge_agent.identity.files import Pair
from edge_agent.identity.renewal import Trial
from edge_agent.settings import EdgeSettings
from edge_agent.uplink.address import BrokerAddress, tls_context
from edge_agent.uplink.mqtt import MqttLink, MqttUplink


class IdentifiedUplink:
    """See ``ports.Uplink``. ``will`` is the presence that the broker publishes when we vanish.

    ``settings.ca_file`` stands in for the fleet's CA where a broker has another one.
    """

    def __init__(self, settings: EdgeSettings, trial: Trial, will: bytes) -> None:
        self._settings = settings
        self._trial = trial
        self._will = will

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[MqttLink]:
        """A link that is connected and subscribed. Raises LinkLost."""
        pair, address = self._way()
        linked = False
        try:
            async with MqttUplink(address, self._settings.machine, self._will).connect() as link:
                linked, self._trial.leave = True, link.leave
                self._trial.linked(pair)
                yield link
        finally:
            self._trial.leave = None
            if not linked:
                self._trial.failed(pair)

    def _way(self) -> tuple[Pair, BrokerAddress]:
        settings, folder = self._settings, self._trial.folder
        host, port = settings.broker_address
        try:
            pair = self._trial.pair()
            tls = tls_context(settings.ca_file or folder.ca_file, pair.cert_file, pair.key_file, settings.tls_minimum)
        except (AgentError, OSError) as error:
            raise LinkLost(f"identity_dir {folder.path}: {error}") from error
        return pair, BrokerAddress(host, port, settings.keepalive_s, tls)
