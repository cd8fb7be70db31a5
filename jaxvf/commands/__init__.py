"""Commands of `jaxvf` that are more than one call of the package."""
