"""What users hold in their hands: clients and collections in the user's own process."""
