//! Host calls that fail, and VMs that trap where the test wants it.

use slotway_tests::host::{CallSite, Faults, HostCall, RequestState, Status, Verdict};

use crate::probe::{A, ask, saying, two_lanes};

#[test]
fn an_ordered_fault_happens_once_and_the_call_has_no_effect() {
    let mut host = two_lanes();
    let held = ask(&mut host, A, "hold");
    host.fail_next(HostCall::ContinueStream, Status::InternalFailure);
    let said = saying(&mut host, |host| ask(host, A, "wake"));
    assert!(said.contains(&format!("0 c{}", char::from(48 + Status::InternalFailure as u8))), "{said:?}");
    assert!(host.faults_are_spent());
    assert_eq!(host.request_state(held), RequestState::Paused);
    ask(&mut host, A, "wake");
    assert!(matches!(host.request_state(held), RequestState::Continued(_)));
}

#[test]
fn an_ordered_trap_kills_the_vm_at_the_host_call() {
    let mut host = two_lanes();
    host.trap_next(HostCall::SetSharedData);
    ask(&mut host, A, "number");
    assert!(!host.is_alive(A));
    assert!(
        host.logs().iter().any(|line| line.level == 5 && line.message.contains("proxy_on_request_headers"))
    );
}

struct EveryOtherWrite(u32);

impl Faults for EveryOtherWrite {
    fn verdict(&mut self, site: &CallSite) -> Verdict {
        if site.call != HostCall::SetSharedData {
            return Verdict::Proceed;
        }
        self.0 += 1;
        if self.0.is_multiple_of(2) { Verdict::Proceed } else { Verdict::Fail(Status::CasMismatch) }
    }
}

#[test]
fn faults_are_asked_before_each_host_call() {
    let mut host = two_lanes();
    host.set_faults(Some(Box::new(EveryOtherWrite(0))));
    let stream = ask(&mut host, A, "number");
    assert_eq!(host.seen(stream).usage.of(HostCall::SetSharedData), 2);
    host.set_faults(None);
}
