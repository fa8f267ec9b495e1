"""The settings of the cloud process: one TOML file and ``HALLFLEET_CLOUD_*`` variables."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from device_profiles.configuration import BrokerUrl, HttpUrl, Port, check_files, is_loopback, load_settings


class CloudSettings(BaseModel):
    """All settings. Whoever can reach the pages from outside must have a token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    halls: list[str] = Field(default=["demo-hall"], min_length=1, description="ids of the halls to serve")
    profiles_dir: Path | None = Field(default=None, description="a site's own profiles")
    data_dir: Path = Field(default=Path("hallfleet-data"), description="embedded databases and the cloud's keys")
    database_url: str = Field(default="", description="empty: SQLite in data_dir; or postgresql://...")
    telemetry_url: str = Field(default="", description="empty: SQLite in data_dir; or influx+http://host:port?...")
    telemetry_token: SecretStr = SecretStr("")
    broker: BrokerUrl = "mqtt://127.0.0.1:1883"
    broker_ca_file: Path | None = None
    broker_cert_file: Path | None = None
    broker_key_file: Path | None = None
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: HttpUrl = Field(default="", description="what QR codes lead to; empty: http://host:port")
    departments_url: HttpUrl = Field(default="", description="the back offices; empty: none")
    staff_token: SecretStr = SecretStr("")
    dispatch_interval_s: float = Field(default=300.0, ge=1, description="how often staff moves are considered")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("halls")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("expected every hall once")
        return value

    @model_validator(mode="after")
    def _certificates(self) -> "CloudSettings":
        if (self.broker_cert_file is None) != (self.broker_key_file is None):
            raise ValueError("broker_cert_file and broker_key_file: expected both or neither")
        check_files(
            broker_ca_file=self.broker_ca_file,
            broker_cert_file=self.broker_cert_file,
            broker_key_file=self.broker_key_file,
        )
        return self

    @model_validator(mode="after")
    def _outside_needs_a_token(self) -> "CloudSettings":
        if not self.staff_token.get_secret_value() and not is_loopback(self.host):
            raise ValueError(
                f"staff_token: needed since host {self.host} can be reached from outside; or host 127.0.0.1"
            )
        return self

    @property
    def database(self) -> str:
        """The address of the operational store."""
        return self.database_url or f"sqlite:///{self.data_dir / 'hallfleet.db'}"

    @property
    def telemetry_file(self) -> Path:
        """The file of the embedded telemetry store."""
        return self.data_dir / "telemetry.db"

    @property
    def public_address(self) -> str:
        """What QR codes lead to."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def read_settings(file: Path | None) -> CloudSettings:
    """Read the settings. Raises ConfigurationError that names every problem."""
    return load_settings(CloudSettings, "cloud", file)
