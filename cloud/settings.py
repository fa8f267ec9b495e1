"""The settings of the cloud process: one TOML file and ``HALLFLEET_CLOUD_*`` variables."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from device_profiles.configuration import (
    BrokerUrl,
    HttpUrl,
    Port,
    check_files,
    check_http_url,
    is_loopback,
    load_settings,
)


class RoleRule(BaseModel):
    """Who has ``value`` as ``claim``, or among its values, has ``role`` in ``hall`` (``*``: in all)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    claim: str = Field(default="groups", min_length=1, max_length=80)
    value: str = Field(min_length=1, max_length=200)
    role: Literal["manager", "counter_staff", "crew", "auditor", "integrator", "administrator"]
    hall: str = Field(min_length=1, max_length=60)


class OpenIdSettings(BaseModel):
    """An OpenID Connect provider. ``client_secret`` may be empty: every log-in is bound by PKCE as well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(min_length=8, max_length=200, description="https://...; what the provider calls itself")
    client_id: str = Field(min_length=1, max_length=200)
    client_secret: SecretStr = SecretStr("")
    scopes: list[str] = Field(default=["profile"], description="beside openid")
    roles: list[RoleRule] = Field(min_length=1, description="claims -> roles; nobody else gets in")

    @field_validator("issuer")
    @classmethod
    def _nobody_reads_along(cls, value: str) -> str:
        parts = urlsplit(check_http_url(value))
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError("expected https://: who can change the provider's answers can be anybody here")
        return value


class IdentitySettings(BaseModel):
    """The fleet's CA, how long what it signs lasts, and how the broker hears of revocations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ca_key_file: Path | None = Field(default=None, description="empty: made in data_dir")
    ca_cert_file: Path | None = None
    certificate_days: float = Field(default=90.0, ge=0.0001, le=825)
    grace_days: float = Field(default=14.0, ge=0, le=90, description="an expired certificate can still be renewed")
    claim_hours: float = Field(default=24.0, ge=0.001, le=720, description="a claim code can be used for so long")
    machine_broker: BrokerUrl | None = Field(default=None, description="the broker as machines reach it; none: broker")
    crl_file: Path | None = Field(default=None, description="the broker's revocation list; none: fleet.crl in data_dir")
    crl_url: HttpUrl = Field(default="", description="where a broker that fetches lists finds ours (EMQX); empty: none")
    reload_command: list[str] = Field(default=[], description="run after a new list, without a shell")
    pid_file: Path | None = Field(default=None, description="gets SIGHUP after a new list")

    @model_validator(mode="after")
    def _key_and_certificate(self) -> "IdentitySettings":
        if (self.ca_key_file is None) != (self.ca_cert_file is None):
            raise ValueError("ca_key_file and ca_cert_file: expected both or neither")
        check_files(ca_key_file=self.ca_key_file, ca_cert_file=self.ca_cert_file)
        return self


class CloudSettings(BaseModel):
    """All settings. People log in with a password (`hallfleet user add`) or at an identity provider."""

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
    identity: IdentitySettings = IdentitySettings()
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: HttpUrl = Field(default="", description="what QR codes lead to; empty: http://host:port")
    departments_url: HttpUrl = Field(default="", description="the back offices; empty: none")
    demo: bool = Field(default=False, description="nobody logs in and everybody may do everything; on loopback only")
    session_idle_s: float = Field(default=3600.0, ge=60, description="a log-in ends when it is not used for so long")
    session_longest_s: float = Field(default=12 * 3600.0, ge=300, description="and after so long in any case: a shift")
    password_log_in: bool = Field(default=True, description="false: people come by the identity provider only")
    openid: OpenIdSettings | None = Field(default=None, description="an identity provider; without: passwords only")
    public_requests_per_s: float = Field(default=50.0, gt=0, description="of one address on pages without a log-in")
    keep_events_days: int = Field(default=400, ge=0, description="facts of machines; 0: without end. Sums stay")
    keep_commands_days: int = Field(default=400, ge=0, description="settled commands; 0: without end")
    keep_telemetry_days: int = Field(default=90, ge=0, description="telemetry of the embedded store; 0: without end")
    facts_missing_after_s: float = Field(default=300.0, ge=1, description="a gap in a machine's facts is an alert then")
    dispatch_interval_s: float = Field(default=300.0, ge=1, description="how often staff moves are considered")
    keep_sealed_days: int = Field(default=30, ge=0, description="what machines sealed, at the latest; 0: without end")
    keep_cases_days: int = Field(default=180, ge=0, description="cases that have ended; 0: without end")
    keep_subjects_days: int = Field(default=30, ge=0, description="which person took a ticket; 0: without end")
    keep_quarantine_days: int = Field(default=30, ge=0, description="messages put aside; 0: without end")
    keep_audit_days: int = Field(default=1095, ge=0, description="the record of what happened; 0: without end")
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
    def _roles_in_halls_of_ours(self) -> "CloudSettings":
        for rule in self.openid.roles if self.openid is not None else ():
            if rule.hall != "*" and rule.hall not in self.halls:
                raise ValueError(f"openid.roles: hall {rule.hall!r}: expected * or one of {', '.join(self.halls)}")
        return self

    @model_validator(mode="after")
    def _a_demo_stays_here(self) -> "CloudSettings":
        if self.demo and not is_loopback(self.host):
            raise ValueError(f"demo: nobody logs in, and host {self.host} can be reached from outside; use 127.0.0.1")
        return self

    @model_validator(mode="after")
    def _a_way_in(self) -> "CloudSettings":
        if not self.password_log_in and self.openid is None and not self.demo:
            raise ValueError("password_log_in: false leaves no way to log in; set openid, or password_log_in = true")
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
    def is_https(self) -> bool:
        """Whether people reach the pages by https: cookies then travel in no other way."""
        return self.public_address.startswith("https:")

    @property
    def revocation_file(self) -> Path:
        """The broker's revocation list."""
        return self.identity.crl_file or self.data_dir / "fleet.crl"

    @property
    def public_address(self) -> str:
        """What QR codes lead to."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def read_settings(file: Path | None) -> CloudSettings:
    """Read the settings. Raises ConfigurationError that names every problem."""
    return load_settings(CloudSettings, "cloud", file)
