use std::{net::SocketAddr, path::Path, process::Command};

use tempfile::TempDir;

use crate::{SOON, TestProcess, artefact, fresh_address, until};

/// A server of another project, as its users run it: `tests/field` has the applications, `tests/tools/field.sh` installs the
/// programs.
pub struct FieldProgram {
    address: SocketAddr,
    process: TestProcess,
    _directory: TempDir,
}

impl FieldProgram {
    /// Starts a program of the Python environment: `program` gets the arguments, in which `{port}` is a fresh port and
    /// `{field}` is the directory of the applications. Waits until the port takes connections.
    pub async fn python(program: &str, arguments: &[&str]) -> Self {
        let program = artefact("", &format!(".tools/field/bin/{program}"));
        Self::start(Command::new(program), arguments).await
    }

    /// Starts a program that `tests/tools/field.sh` has compiled.
    pub async fn compiled(program: &str, arguments: &[&str]) -> Self {
        let program = artefact("", &format!(".tools/field/bin/{program}"));
        Self::start(Command::new(program), arguments).await
    }

    async fn start(mut command: Command, arguments: &[&str]) -> Self {
        let (directory, address) = (TempDir::new().unwrap(), fresh_address());
        let applications = artefact("", "tests/field");
        for argument in arguments {
            let argument = argument.replace("{port}", &address.port().to_string());
            command.arg(argument.replace("{field}", &text(&applications)));
        }
        command.current_dir(&applications).env("PYTHONDONTWRITEBYTECODE", "1");
        let process = TestProcess::start("field", command, directory.path());
        let what = format!("{command_name} listens", command_name = arguments.join(" "));
        until(&what, SOON, async || tokio::net::TcpStream::connect(address).await.ok()).await;
        Self { address, process, _directory: directory }
    }

    /// Returns its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its output so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
