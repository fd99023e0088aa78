//! The one VM that this instance of the module is: a lane, or the witness.

use crate::{
    host::Host,
    lane::Lane,
    witness::{self, Witness},
};

/// A VM.
pub(crate) struct Vm<H: Host> {
    host: H,
    pub(crate) lane: Lane<H>,
    witness: Option<Witness<H>>,
}

impl<H: Host> Vm<H> {
    pub(crate) fn new(host: H) -> Self {
        Self { lane: Lane::new(host.clone()), witness: None, host }
    }

    /// Takes over a plugin configuration of `size` bytes. `false` refuses it.
    pub(crate) fn on_configure(&mut self, root: u32, size: usize) -> bool {
        let bytes = self.host.plugin_configuration(size);
        if bytes.as_ref().is_ok_and(|bytes| bytes == witness::CONFIGURATION) {
            self.witness = Some(Witness::new(self.host.clone()));
            return true;
        }
        self.lane.on_configure(root, bytes)
    }

    /// Handles the end of a stream.
    pub(crate) fn on_stream_end(&mut self, context: u32) {
        match &mut self.witness {
            Some(witness) => witness.on_stream_end(),
            None => self.lane.on_stream_end(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{host::fake::FakeHost, mark, recovery::ENDED_REQUESTS_QUEUE};

    #[test]
    fn a_vm_with_the_configuration_of_the_witness_sends_the_marks_of_streams_that_have_ended() {
        let host = FakeHost::new();
        let mut vm = Vm::new(host.clone());
        host.set_configuration(witness::CONFIGURATION.to_vec());
        assert!(vm.on_configure(1, witness::CONFIGURATION.len()));
        host.open_stream(5, &[]);
        host.open_stream(6, &[]);
        host.enter(5);
        host.set_property(mark::PROPERTY, b"a mark").unwrap();
        vm.on_stream_end(5);
        host.enter(6);
        vm.on_stream_end(6);
        let queue = host.resolve_queue(ENDED_REQUESTS_QUEUE).unwrap();
        let messages: Vec<_> = std::iter::from_fn(|| host.dequeue(queue).unwrap()).collect();
        assert_eq!(messages, [b"a mark".to_vec(), b"a mark".to_vec()], "twice, in case the receiver dies");
    }

    #[test]
    fn a_configuration_that_is_not_one_is_refused() {
        let host = FakeHost::new();
        let mut vm = Vm::new(host.clone());
        host.set_configuration(b"nonsense".to_vec());
        assert!(!vm.on_configure(1, 8));
        assert!(host.log_from(crate::abi::LogLevel::Critical)[0].contains("configuration refused"));
    }
}
