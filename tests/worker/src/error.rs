use std::io;

/// Why the worker cannot start or go on. The text says what was wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A line of the gazetteer that cannot be read.
    #[error("gazetteer {file}, line {line}: {reason}")]
    Gazetteer {
        /// The file's name.
        file: &'static str,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The gazetteer's names do not fit into one automaton.
    #[error("the gazetteer's names cannot be searched for: {0}")]
    Automaton(#[from] aho_corasick::BuildError),
    /// The address cannot be listened on: taken, not this machine's, or not an address.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// The address as it was given.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The process cannot be set up (runtime, signals) or the listening socket failed.
    #[error("cannot run: {0}")]
    System(#[from] io::Error),
}
