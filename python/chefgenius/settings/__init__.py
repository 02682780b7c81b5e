"""What a run is told, without torch: `options` makes of a file and overrides one resolved `config`.

`reading` and `watching` hold the keys of the data and those of saving, judging and logging, each made of a
`section`; `measures` are the metrics by name. `meanings` says which keys a run may change, and what that
costs.
"""
