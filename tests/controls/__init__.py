"""Package marker: the cases ship with the engine, so that `modelwarden test` finds them in every kind of install."""
