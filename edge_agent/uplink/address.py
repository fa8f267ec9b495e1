"""Where the broker is, and how both sides prove who they are."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import AgentError
from edge_agent.settings import EdgeSettings


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and how to prove who we are. ``tls`` None: plain, to this machine only."""

    host: str
    port: int
    keepalive_s: int
    tls: ssl.SSLContext | None = None


def tls_context(
    ca_file: Path | None, cert_file: Path | None, key_file: Path | None, minimum: str = "1.3"
) -> ssl.SSLContext:
    """TLS that always checks the broker's name and chain, with our certificate when there is one. Raises OSError."""
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2 if minimum == "1.2" else ssl.TLSVersion.TLSv1_3
    if cert_file is not None and key_file is not None:
        context.load_cert_chain(cert_file, key_file)
    return context


def address_of(settings: EdgeSettings) -> BrokerAddress:
    """The address that the settings name. Raises AgentError when a certificate cannot be read."""
    host, port = settings.broker_address
    if not settings.uses_tls:
        return BrokerAddress(host, port, settings.keepalive_s)
    try:
        tls = tls_context(settings.ca_file, settings.cert_file, settings.key_file, settings.tls_minimum)
    except OSError as error:
        raise AgentError(f"ca_file, cert_file, key_file: expected readable PEM files, got: {error}") from error
    return BrokerAddress(host, port, settings.keepalive_s, tls)
