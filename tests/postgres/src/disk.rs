use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::programs::program;

/// A small disk that a test can fill: a tmpfs in the mount namespace of one process and its children. It vanishes with
/// them.
///
/// The namespace needs no privilege on kernels that allow user namespaces.
pub struct SmallDisk {
    path: PathBuf,
    bytes: u64,
}

impl SmallDisk {
    /// Describes a disk of this size at `path`. The disk exists once a process runs on it.
    #[must_use]
    pub fn new(path: PathBuf, bytes: u64) -> Self {
        let may = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).status();
        assert!(
            may.is_ok_and(|status| status.success()),
            "a small disk needs `unshare --map-root-user --mount`, which is not allowed here (in Docker: \
             --security-opt seccomp=unconfined)"
        );
        fs::create_dir(&path).unwrap();
        Self { path, bytes }
    }

    /// Returns the mount point.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a command that runs a shell script on the disk.
    #[must_use]
    pub fn run(&self, script: &str) -> Command {
        let mount = format!("mount -t tmpfs -o size={},mode=777 tmpfs '{}'", self.bytes, self.path.display());
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-euc", &format!("{mount}\n{script}")]);
        command
    }

    /// Fills the disk of the process `pid` to the last byte.
    pub fn fill(&self, pid: u32) {
        use std::io::Write;
        let mut filler = fs::File::create(self.seen_by(pid).join("filler")).unwrap();
        for size in [65_536, 4_096, 512, 1] {
            let block = vec![0x55; size];
            while filler.write_all(&block).is_ok() {}
        }
    }

    /// Deletes the file of [`SmallDisk::fill`].
    pub fn make_room(&self, pid: u32) {
        fs::remove_file(self.seen_by(pid).join("filler")).unwrap();
    }

    /// Returns the path of the disk as seen from the process `pid`.
    #[must_use]
    pub fn seen_by(&self, pid: u32) -> PathBuf {
        Path::new(&format!("/proc/{pid}/root")).join(self.path.strip_prefix("/").unwrap_or(&self.path))
    }

    /// Returns a command that creates a database on the disk and serves it.
    pub(crate) fn command(&self, initdb: &[String], server: &[String]) -> Command {
        // The user is root in the first namespace, and PostgreSQL refuses to run as root. A second namespace maps it
        // back to `nobody`.
        let nobody = "unshare --user --map-user=65534 --map-group=65534";
        let line = |name: &str, arguments: &[String]| {
            let words = arguments.iter().map(|argument| format!("'{argument}'")).collect::<Vec<_>>();
            format!("{nobody} '{}' {}", program(name).display(), words.join(" "))
        };
        self.run(&format!("cd /\n{} >&2\nexec {}", line("initdb", initdb), line("postgres", server)))
    }
}
