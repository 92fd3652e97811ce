"""The discrete counterpart of the flow: steps W <- W - eta_k G, side by side (spec section 5)."""
