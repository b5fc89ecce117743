"""The live view: metrics of all processes and the state of the books, as figures and as a screen."""
