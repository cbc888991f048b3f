"""The slots of the latent family: posteriors, priors, likelihoods, bounds and terms."""
