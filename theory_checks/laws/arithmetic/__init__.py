"""Exact arithmetic modulo a prime: numbers, their derivatives, elimination."""
