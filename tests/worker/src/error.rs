use std::io;

/// The reason why the worker cannot start or continue. The text names the problem and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A line of the gazetteer that cannot be read.
    #[error("gazetteer {file}, line {line}: {reason}")]
    Gazetteer {
        /// The file's name.
        file: &'static str,
        /// The line's number, from 1.
        line: usize,
        /// Why it cannot be read.
        reason: &'static str,
    },
    /// The gazetteer's names do not fit into one automaton.
    #[error("the gazetteer's names cannot be searched for: {0}")]
    Automaton(#[from] aho_corasick::BuildError),
    /// The address cannot be listened on: it is taken, of another machine, or invalid.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// The requested address.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The process cannot be set up (runtime, signals) or the listening socket failed.
    #[error("cannot run: {0}")]
    System(#[from] io::Error),
}
