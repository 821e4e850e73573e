"""A report on a catalogue: what its films and songs are like, and how the music of films goes with them.

Facts are plain dictionaries that go into ``facts.json`` as they are; figures and the page are drawn from them.
What cannot be told is ``{"missing": reason}``, never left out.
"""
