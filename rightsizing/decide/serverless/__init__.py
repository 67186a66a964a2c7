"""Whether a component is cheaper as Lambda, Fargate or on a shared instance."""
