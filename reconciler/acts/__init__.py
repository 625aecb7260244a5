"""What people ask trueup for, one file each. Commands, the daemon's door and the hooks call these; none of them has a way of its own.

fleet      plan, apply, observe, pause, forget, reborn …: on a World, JSON in and JSON out
planning   from a place on disk to a plan         pushing   before and after a push
rollback   back to what was applied before, and back to Git's word
standing   how the fleet stands after a round     secrets   `trueup secrets`     state   `trueup state`
"""
