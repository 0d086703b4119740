"""Orders: what they cost, placing them, paying for them, and what the merchant does with them after."""
