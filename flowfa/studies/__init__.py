"""Long work that can be watched, stopped and continued: the base of every study.

A study is a set of units of work with names. `Study` works through them in one call, shows how
they stand and notes signals; in a `Session` a unit goes on from its checkpoint, writes checkpoints,
and stops between two steps. `goes_on` says what resume and overwrite mean; `Parts` is a
folder of finished units.
"""
