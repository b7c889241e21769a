"""Rate limits that all workers share."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Kept apart from the profiles: a key is a hash of an address or a token, not a person."""
    op.create_table(
        "buckets",
        sa.Column("key_hash", sa.Text, primary_key=True),
        sa.Column("full_at", sa.Double, nullable=False, index=True),
    )
