"""Deploy targets: each module makes the folder for one kind of device from a run (needs TensorFlow).

A target is a module named for it, with `run(args) -> str`: it makes `args.out` from `args.run` and returns
what to tell the user.
"""
