"""Recipes from a trained model: what it is asked (`prompts`), opened (`trained`), and writing (`writing`)."""
