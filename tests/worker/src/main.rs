//! `slotway-worker`: listens, reports readiness, and serves until it is stopped.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
    thread,
};

use clap::Parser;
use slotway_worker::{Options, WorkerError, WorkerServer};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "slotway-worker {}: {error}", options.name);
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(options: &Options) -> Result<(), WorkerError> {
    // Installed before the line that reports readiness: a reader of that line may send a signal.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let worker = WorkerServer::bind(options).await?;
    let parent_left = options.exit_on_stdin_eof.then(stdin_end);
    // The worker also serves with a closed standard output.
    let _ = writeln!(io::stdout(), "slotway-worker {}: ready on http://{}", options.name, worker.address());
    worker
        .serve(async move {
            let parent_left = async {
                match parent_left {
                    // An error means that the thread has ended, which happens only at the end of the input.
                    Some(left) => drop(left.await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = parent_left => {}
            }
        })
        .await
}

/// Completes at the end of standard input. A detached thread reads it: a blocking read cannot be cancelled, and would
/// keep the runtime from ending.
fn stdin_end() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    thread::spawn(move || {
        let mut ignored = [0; 1024];
        loop {
            match io::stdin().read(&mut ignored) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let _ = ended.send(());
    });
    end
}
