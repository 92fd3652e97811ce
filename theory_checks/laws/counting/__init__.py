"""The rank of the fields with their iterated Lie brackets: how many laws there can be."""
