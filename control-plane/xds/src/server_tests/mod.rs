//! A scripted node over a real connection.

mod admission;
mod places;
mod pushing;
mod scripted_node;
