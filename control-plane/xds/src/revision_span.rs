/// The source's revisions between what a node accepted last of a type and what it rejected since. The changes in between are in
/// what it rejected, and in nothing that it accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevisionSpan {
    /// The revision that it accepted; `None` if it has accepted nothing on its stream.
    pub accepted: Option<u64>,
    /// The revision that it rejected.
    pub rejected: u64,
}

/// The source's revisions behind one type at one node.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Revisions {
    sent: Option<u64>,
    accepted: Option<u64>,
}

impl Revisions {
    /// Records the revision that was sent.
    pub(crate) fn sent(&mut self, revision: Option<u64>) {
        self.sent = revision;
    }

    /// Records that the node has what was sent last.
    pub(crate) fn acked(&mut self) {
        self.accepted = self.sent;
    }

    /// Records that the node has the content of this revision without having been sent it.
    pub(crate) fn has(&mut self, revision: Option<u64>) {
        (self.sent, self.accepted) = (revision, revision);
    }

    /// Returns the span that the node rejects if it rejects what was sent last.
    pub(crate) fn span(self) -> Option<RevisionSpan> {
        self.sent.map(|rejected| RevisionSpan { accepted: self.accepted, rejected })
    }
}
