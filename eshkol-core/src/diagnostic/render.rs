//! Draws diagnostics with their source lines, for terminals and snapshots.
