"""Questions about a run, without torch until a loss is asked for.

`itinerary` says which recipes any step takes, `spikes` which steps stand out, and `scoring` a recipe's loss
by a checkpoint. `listing` shows recipes to a person, `leaving_out` writes which to drop; `asking` is all of
these.
"""
