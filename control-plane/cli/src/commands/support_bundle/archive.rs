use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use slotway_runtime::file::{AtomicFile, IfExists};

use super::secrets::Secrets;
use crate::commands::CliError;

/// The largest file in a bundle, in bytes; of a larger one the end is kept, which has the newest lines.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The largest sum of all files before compression, in bytes.
const SUM_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The bundle: a compressed archive. Every file passes the scrubber.
pub(super) struct Archive {
    path: std::path::PathBuf,
    tar: tar::Builder<GzEncoder<AtomicFile>>,
    secrets: Secrets,
    missing: String,
    files: usize,
    bytes: usize,
}

impl Archive {
    /// Creates a bundle. An existing file is not overwritten.
    ///
    /// # Errors
    /// [`CliError::Runtime`].
    pub(super) fn create(path: &Path, secrets: Secrets) -> Result<Self, CliError> {
        let file = AtomicFile::create(path, IfExists::Fail).map_err(|error| CliError::file(path, error))?;
        let tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        Ok(Self { path: path.to_owned(), tar, secrets, missing: String::new(), files: 0, bytes: 0 })
    }

    /// Adds a file with its secrets removed.
    ///
    /// # Errors
    /// [`CliError::Runtime`] if the bundle cannot be written.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) -> Result<(), CliError> {
        let mut content = self.secrets.hide(name, content);
        if content.len() > FILE_BYTES_MAX {
            let left_out = content.len() - FILE_BYTES_MAX;
            content.drain(..left_out);
            self.missing(name, &format!("the first {left_out} bytes were left out"));
        }
        if self.bytes + content.len() > SUM_BYTES_MAX {
            self.missing(name, &format!("left out: the bundle would be larger than {SUM_BYTES_MAX} bytes"));
            return Ok(());
        }
        self.write(name, &content)
    }

    /// Notes what could not be collected, and why.
    pub(super) fn missing(&mut self, what: &str, why: &str) {
        self.missing.push_str(&format!("{what}: {why}\n"));
    }

    /// Completes the bundle, and returns its number of files and its size in bytes.
    ///
    /// # Errors
    /// [`CliError::Runtime`].
    pub(super) fn finish(mut self) -> Result<(usize, u64), CliError> {
        let missing = self.secrets.hide("missing.txt", self.missing.as_bytes());
        self.write("missing.txt", &missing)?;
        let failed = |error: std::io::Error| CliError::file(&self.path, error);
        let file = self.tar.into_inner().and_then(GzEncoder::finish).map_err(failed)?;
        let bytes = file.bytes().map_err(failed)?;
        file.commit().map_err(failed)?;
        Ok((self.files, bytes))
    }

    fn write(&mut self, name: &str, content: &[u8]) -> Result<(), CliError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default());
        header.set_cksum();
        let written = self.tar.append_data(&mut header, format!("slotway-support/{name}"), content);
        written.map_err(|error| CliError::file(&self.path, error))?;
        self.files += 1;
        self.bytes += content.len();
        Ok(())
    }
}
