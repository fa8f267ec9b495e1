"""A whole hall on one machine: starts every process, plays the story, ends everything it started."""
