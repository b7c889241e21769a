"""Profiles, their changes, their books and the rows of their file."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

UNSAMPLED = {"profiles": ["id"], "changes": ["profile_id", "request_id"]} | {
    "entries": ["profile_id", "book_id"],
    "file_rows": ["profile_id", "title", "author", "book_id", "reason"],
}
"""PostgreSQL's statistics would keep copies of these beyond the life of their rows."""


def upgrade() -> None:
    """One table for each; everything of a person hangs on their profile."""
    op.create_table(
        "profiles",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created", sa.Date, nullable=False),
        sa.Column("seen", sa.Date, nullable=False, index=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "changes",
        _owner(),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("undoable", sa.Boolean, nullable=False),
        sa.UniqueConstraint("profile_id", "request_id", name="changes_request"),
    )
    op.create_table(
        "entries",
        *_span(),
        sa.Column("book_id", sa.Text, primary_key=True),
        sa.Column("stars", sa.Double),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
    )
    op.create_table(
        "file_rows",
        *_span(),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("outcome", "reason", "title", "author")),
        sa.Column("book_id", sa.Text),
        sa.Column("stars", sa.Double),
        sa.Column("state", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in UNSAMPLED.items():
            for column in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")


def _owner() -> sa.Column[str]:
    return sa.Column("profile_id", sa.Text, sa.ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True)


def _span() -> list[sa.Column[str] | sa.Column[int]]:
    return [
        _owner(),
        sa.Column("until", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    ]
