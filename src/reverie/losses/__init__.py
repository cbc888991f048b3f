"""Pure functions of scores, samples and codes; the equation of each stands beside it."""
