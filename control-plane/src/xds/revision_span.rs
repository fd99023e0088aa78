/// The store's revisions between what a node accepted last of a type and what it refused since: the changes in between are in
/// what it refused, and in nothing that it accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevisionSpan {
    /// Of what it accepted; none where it has accepted nothing on its stream.
    pub accepted: Option<u64>,
    /// Of what it refused.
    pub refused: u64,
}

/// The store's revisions behind one type at one node.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Revisions {
    sent: Option<u64>,
    accepted: Option<u64>,
}

impl Revisions {
    pub(crate) fn sent(&mut self, revision: Option<u64>) {
        self.sent = revision;
    }

    /// The node has what was sent last.
    pub(crate) fn acked(&mut self) {
        self.accepted = self.sent;
    }

    /// The node has the content of this revision without having been sent it.
    pub(crate) fn has(&mut self, revision: Option<u64>) {
        (self.sent, self.accepted) = (revision, revision);
    }

    /// What the node refuses, if it refuses what was sent last.
    pub(crate) fn span(self) -> Option<RevisionSpan> {
        self.sent.map(|refused| RevisionSpan { accepted: self.accepted, refused })
    }
}
