//! The loop: receive, update, start effects, draw.

pub mod action;
pub mod keymap;
pub mod model;
pub mod msg;
mod pace;
pub mod screen;
pub mod update;
