"""What runs on a host during a visit: standard library only, Python 3.8 on, no import of the controller's code.

It travels in a bundle (see ../bundler.py) and is imported there as the package `trueup_host`, so its modules
import one another relatively.
"""
