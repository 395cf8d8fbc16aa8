//! (room of its own; filled by the commits that follow)
