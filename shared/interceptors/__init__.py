"""The guards of every call, one file each; `chain.py` puts them in order."""
