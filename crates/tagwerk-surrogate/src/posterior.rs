//! Posteriors over the weights of a model: samplers and approximations that see a model as a loss and its gradient.
