//! Cuts page texts into token-exact chunks.
