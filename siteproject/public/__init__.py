"""What anybody may look up and check: records, rights, processors, answers."""
