"""What happened, for people: tables, figures and videos of the evaluated checkpoints."""
