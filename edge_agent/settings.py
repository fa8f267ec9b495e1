"""All settings of an agent: a TOML file and ``HALLFLEET_EDGE_*`` variables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from device_profiles.configuration import BrokerUrl, HttpUrl, check_files, is_loopback, load_settings
from device_profiles.errors import MessageError
from device_profiles.messages.topics import check_machine_id
from edge_agent.addresses import parse_address

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class EdgeSettings(BaseModel):
    """One machine. Unknown keys are errors that name the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str = Field(description="id of the machine, unique in the fleet; also its MQTT client id and user name")
    profile: str = Field(description="id of a machine profile")
    broker: BrokerUrl = Field(description="mqtts://host[:port]; mqtt:// only to this machine itself")
    data_dir: Path = Field(description="outbox, journal and what the cloud wanted last")
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    identity_dir: Path | None = Field(
        default=None, description="what hallfleet enrol wrote; renewed by the agent; instead of cert_file and key_file"
    )
    cloud_url: HttpUrl = Field(default="", description="https://...: where identity_dir is renewed; empty: never")
    cloud_ca_file: Path | None = Field(
        default=None, description="what cloud_url is checked against; none: the system's"
    )
    tls_minimum: Literal["1.2", "1.3"] = Field(default="1.3", description="1.2 only for a broker that cannot do more")
    ports: dict[str, str] = Field(
        default_factory=dict,
        description="slot name -> where its device is: a file, tcp://host:port, usb:path=1-1.2, ... (addresses.py)",
    )
    screen_port: int = Field(default=0, ge=0, le=65535, description="TCP port of the machine's own pages; 0: none")
    firmware_keys: tuple[Path, ...] = Field(
        default=(), description="public keys (PEM) that may sign firmware of peripherals; none: no updates"
    )
    keepalive_s: int = Field(default=30, ge=5, le=600)
    outbox_mib: int = Field(default=64, ge=2, le=4096, description="taken on the disk at the first start")
    telemetry_keep_h: float = Field(
        default=72.0, ge=1, le=8760, description="telemetry that waits longer is given up; hours that the agent ran"
    )
    disk_floor_mib: int = Field(
        default=64,
        ge=0,
        le=65536,
        description="with less free on the disk only the newest telemetry waits; 0: no floor",
    )
    backlog_rows_per_s: float = Field(default=5000.0, ge=10, le=100_000, description="pace of a backlog, on average")
    sample_s: float = Field(default=30.0, ge=1, le=3600, description="pace of telemetry")
    profiles_dir: Path | None = Field(default=None, description="a site's own profiles beside the packaged ones")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("ports")
    @classmethod
    def _addresses(cls, values: dict[str, str]) -> dict[str, str]:
        for slot, text in values.items():
            try:
                parse_address(text)
            except ValueError as error:
                raise ValueError(f"{slot}: {error}") from None
        return values

    @field_validator("machine")
    @classmethod
    def _machine_id(cls, value: str) -> str:
        try:
            return check_machine_id(value)
        except MessageError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _certificates(self) -> "EdgeSettings":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file: expected both or neither")
        check_files(ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file)
        return self

    @model_validator(mode="after")
    def _identity(self) -> "EdgeSettings":
        if self.identity_dir is not None and self.cert_file is not None:
            raise ValueError("identity_dir: expected it instead of cert_file and key_file, got both")
        if self.identity_dir is not None and not self.uses_tls:
            raise ValueError("identity_dir: expected broker = mqtts://...: without TLS a certificate proves nothing")
        parts = urlsplit(self.cloud_url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("cloud_url: expected https:// to another host")
        check_files(cloud_ca_file=self.cloud_ca_file)
        return self

    @property
    def broker_address(self) -> tuple[str, int]:
        """Host and port of the broker."""
        parts = urlsplit(self.broker)
        return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]

    @property
    def uses_tls(self) -> bool:
        """Whether the broker is spoken to over TLS."""
        return self.broker.startswith("mqtts:")


def load(file: Path | None, environ: Mapping[str, str]) -> EdgeSettings:
    """The settings. Raises ConfigurationError with every problem."""
    return load_settings(EdgeSettings, "edge", file, environ)
