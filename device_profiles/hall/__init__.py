"""The hall's rules that machines and the cloud both apply: ticket states, numbers, calling, waiting times.

Pure: no clock, no chance, no input or output. Times and counts are passed in.
"""
