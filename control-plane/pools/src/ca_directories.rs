use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

/// The directories below which files of certificate authorities may be that clients of the API name. The control plane reads
/// these files for heartbeats, and Envoy reads those of its own machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<PathBuf>")]
pub struct CaDirectories(Vec<PathBuf>);

impl Default for CaDirectories {
    /// Returns the directories for certificates of Linux distributions, and Slotway's own.
    fn default() -> Self {
        const DIRECTORIES: [&str; 5] = [
            "/etc/ssl",
            "/etc/pki",
            "/usr/share/ca-certificates",
            "/usr/local/share/ca-certificates",
            "/etc/slotway",
        ];
        Self(DIRECTORIES.map(PathBuf::from).into())
    }
}

impl TryFrom<Vec<PathBuf>> for CaDirectories {
    type Error = String;

    fn try_from(directories: Vec<PathBuf>) -> Result<Self, String> {
        match directories.iter().find(|directory| !is_plain(directory)) {
            Some(wrong) => Err(format!("{:?} is not an absolute path without `.` and `..`", wrong.display())),
            None => Ok(Self(directories)),
        }
    }
}

impl CaDirectories {
    /// Checks that a file is below one of the directories.
    ///
    /// # Errors
    /// The reason, for the client that has named the file.
    pub(crate) fn check(&self, file: &str) -> Result<(), String> {
        let file = Path::new(file);
        if is_plain(file) && self.0.iter().any(|directory| file.starts_with(directory) && file != directory) {
            return Ok(());
        }
        let directories: Vec<_> = self.0.iter().map(|directory| directory.display().to_string()).collect();
        Err(format!(
            "a file of authorities has to be below one of the directories of `worker_ca_directories`: {}",
            directories.join(", ")
        ))
    }
}

/// Returns whether a path is absolute and has no `.` or `..`.
fn is_plain(path: &Path) -> bool {
    let is_name = |component: Component<'_>| matches!(component, Component::RootDir | Component::Normal(_));
    // `components` drops `.`, so that the text is compared as well.
    path.is_absolute() && path.components().all(is_name) && !path.to_string_lossy().contains("/./")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(directories: &[&str]) -> Result<CaDirectories, String> {
        directories.iter().map(PathBuf::from).collect::<Vec<_>>().try_into()
    }

    #[test]
    fn only_files_below_a_directory_are_allowed() {
        let directories = of(&["/etc/ssl", "/opt/ca/"]).unwrap();
        for allowed in ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/x.pem", "/opt/ca/own.pem"] {
            assert_eq!(directories.check(allowed), Ok(()), "{allowed}");
        }
        let refused = [
            "/dev/zero",
            "/etc/sslx/a.pem",
            "/etc/ssl",
            "/etc/ssl/../shadow",
            "/etc/ssl/./a.pem",
            "etc/ssl/a.pem",
            "",
            "/proc/self/environ",
        ];
        for refused in refused {
            assert!(directories.check(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_directory_is_an_absolute_path() {
        assert!(of(&["ssl"]).unwrap_err().contains(r#""ssl" is not"#));
        assert!(of(&["/etc/../root"]).is_err());
        assert!(of(&[]).unwrap().check("/etc/ssl/a.pem").is_err());
    }
}
