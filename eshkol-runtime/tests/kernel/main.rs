//! The runtime against the running kernel, as root, with objects made by hand.

mod global;
mod loading;
mod map;
mod pin;
mod refusal;
mod unit;
mod xdp;
