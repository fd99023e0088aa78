/// A failure of the xDS server itself. What a node does wrong ends that node's stream and is no error of the server.
#[derive(Debug, thiserror::Error)]
pub enum XdsError {
    /// Two types of a catalog exclude each other.
    #[error("the xDS types {first} and {second} cannot be served together")]
    Catalog {
        /// The type that comes first.
        first: &'static str,
        /// The type that has the same URL, or the same role although only one type can have it.
        second: &'static str,
    },
    /// The operating system refused the port.
    #[error("xDS: {doing}: {error}")]
    Port {
        /// The operation.
        doing: &'static str,
        /// The operating system's reason.
        error: std::io::Error,
    },
}
