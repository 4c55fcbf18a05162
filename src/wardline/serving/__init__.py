"""The only door to BentoML and Starlette."""
