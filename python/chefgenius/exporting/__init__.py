"""A model to take away (`export`): an adapter put into its base (`merge`), and the model's `card`."""
