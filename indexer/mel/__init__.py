"""The mel CNN of SpotiFlix: seven audio features read from 20 seconds of sound by a small convolutional network.

TensorFlow and librosa load only in the functions that need them; nothing here is needed to answer a query.
"""
