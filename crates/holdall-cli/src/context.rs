//! What every command gets: the environment and a way to speak to the user.

use crate::env::Env;
use crate::ui::Ui;

/// The surroundings of a command.
#[derive(Debug, Clone)]
pub struct Context {
    /// Environment variables.
    pub env: Env,
    /// Messages and progress.
    pub ui: Ui,
}
