"""The tables of access. What opens a door (password, session, token) is never in them, only a hash of it."""

import sqlalchemy as sa

from cloud.storage.metadata import Big, Json, metadata

_BY_PROVIDER = sa.text("issuer <> ''")

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account_id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False, unique=True),
    sa.Column("shown_name", sa.String(120), nullable=False),
    sa.Column("password", sa.String(200), nullable=False),
    sa.Column("issuer", sa.String(200), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("version", Big, nullable=False),
    sa.Column("made_ms", Big, nullable=False),
    sa.Column("changed_ms", Big, nullable=False),
    sa.Index(
        "uq_accounts_identity", "issuer", "subject", unique=True,
        sqlite_where=_BY_PROVIDER, postgresql_where=_BY_PROVIDER,
    ),
)  # fmt: skip

account_grants = sa.Table(
    "account_grants",
    metadata,
    sa.Column("account_id", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(20), primary_key=True),
    sa.Column("hall", sa.String(60), primary_key=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("account_id", sa.String(64), nullable=False, index=True),
    sa.Column("version", Big, nullable=False),
    sa.Column("made_ms", Big, nullable=False),
    sa.Column("seen_ms", Big, nullable=False),
    sa.Column("ends_ms", Big, nullable=False, index=True),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("token_id", sa.String(64), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("account_id", sa.String(64), nullable=False, index=True),
    sa.Column("label", sa.String(80), nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("halls", Json, nullable=False),
    sa.Column("made_ms", Big, nullable=False),
    sa.Column("ends_ms", Big, nullable=False),
    sa.Column("used_ms", Big),
)

# ``subject`` is a hash: what somebody typed as an account name may be a password.
login_attempts = sa.Table(
    "login_attempts",
    metadata,
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_ms", Big, nullable=False, index=True),
    sa.Column("until_ms", Big, nullable=False),
)

sign_ons = sa.Table(
    "sign_ons",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("browser", sa.String(64), nullable=False),
    sa.Column("nonce", sa.String(64), nullable=False),
    sa.Column("verifier", sa.String(128), nullable=False),
    sa.Column("way_on", sa.String(200), nullable=False),
    sa.Column("ends_ms", Big, nullable=False, index=True),
)
