"""shelfaware."""
