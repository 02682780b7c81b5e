"""How good a model is: its loss on records held out, and the texts it writes (`evaluator`), by `judging`."""
