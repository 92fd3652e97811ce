"""Explicit Runge-Kutta methods: coefficient tables, steps, and solvers."""
