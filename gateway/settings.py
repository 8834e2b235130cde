"""Settings of a process, read from the environment (prefix ``GATEWAY_``).  Secrets never show in a repr or a log."""

from __future__ import annotations

import socket
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.graph.settings import GraphSettings

DEFAULT_DATABASE_URL = "sqlite:///.data/gateway.sqlite3"


class Settings(BaseSettings):
    """What a gateway process has to know; every field is an environment variable ``GATEWAY_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", extra="ignore")

    database_url: SecretStr = Field(
        SecretStr(DEFAULT_DATABASE_URL),
        description="sqlite:///path or postgresql://user:password@host/name",
    )
    redis_url: SecretStr | None = Field(
        None, description="redis://... or unix://...; none starts a server of our own where one is installed"
    )
    graph_url: str = Field("https://graph.facebook.com", description="where all Graph calls go")
    graph_version: str = Field("v25.0", description="version of the Graph API that calls are made under")
    app_id: str = Field("", description="id of the Meta app")
    app_secret: SecretStr = Field(SecretStr(""), description="secret of the Meta app; signs appsecret_proof")
    encryption_keys: SecretStr = Field(
        SecretStr(""), description="Fernet keys, newest first, comma separated; older ones only decrypt"
    )
    public_url: str = Field("http://127.0.0.1:8000", description="address under which clients reach this gateway")
    host: str = "127.0.0.1"
    port: int = 8000
    production: bool = Field(True, description="off in `dev`: GraphiQL and introspection are then served")
    data_dir: Path = Field(Path(".data"), description="where files of our own go (SQLite, uploads, Redis socket)")
    import_limit_bytes: int = Field(2_000_000_000, description="largest file that an import takes")
    request_limit_bytes: int = Field(8_000_000, description="largest GraphQL request body")

    # Pace.  The defaults hold for Meta; tests and `dev` shorten them.
    command_wait_s: float = Field(8.0, description="how long a mutation waits for Meta's answer before it returns SENT")
    lease_s: float = Field(30.0, description="a dispatch whose holder is silent this long is taken over")
    tick_s: float = Field(1.0, description="how often each worker looks for due work")
    batch_poll_s: float = Field(30.0, description="pause between two looks at a batch handle")
    batch_hold_s: float = Field(
        600.0, description="Meta's longest batch time: so long items wait when the answer to a batch was lost"
    )
    batch_items: int = Field(3000, ge=1, le=5000, description="records per item batch (Meta: at most 5,000)")
    catalog_batches_per_hour: int = Field(
        100, ge=1, description="batch calls per catalog and hour; the strictest limit that Meta has published"
    )
    worker_poll_s: float = Field(0.01, description="arq's poll delay")
    worker_jobs: int = Field(16, description="jobs that one worker runs side by side")
    worker_name: str = Field(default_factory=lambda: socket.gethostname())

    def graph(self) -> GraphSettings:
        """The part that the Graph client wants."""
        return GraphSettings(
            base_url=self.graph_url.rstrip("/"),
            version=self.graph_version,
            app_id=self.app_id,
            app_secret=self.app_secret.get_secret_value(),
        )
