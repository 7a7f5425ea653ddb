//! The live line beneath a manual check: what is known about it right now, and how old that is.
