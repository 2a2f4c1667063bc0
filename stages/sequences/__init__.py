"""What a sequence is, the formats it comes in, and the clips that training reads."""
