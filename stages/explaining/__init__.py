"""What a detector looked at: mistakes chosen, heat maps of what the network weighed there, pictures and sentences."""
