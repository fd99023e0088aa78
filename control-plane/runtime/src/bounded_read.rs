//! Reading files that another party may have named: regular files of a limited size, by few readers, within a time limit.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::OFlags;
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

/// The largest PEM file, in bytes. A system's bundle of authorities has about 220 kB.
pub const PEM_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The largest file with a token or another secret, in bytes.
pub const SECRET_BYTES_MAX: u64 = 8 * 1024;

/// Reads a regular file of at most `bytes_max` bytes. A device, a pipe or a directory is refused without waiting for it.
///
/// # Errors
/// Those of the file system. [`ErrorKind::InvalidInput`] for something other than a regular file,
/// [`ErrorKind::FileTooLarge`] for a longer one.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe waits for its other end otherwise.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let too_large =
        || io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {bytes_max} bytes"));
    if metadata.len() > bytes_max {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // Files of the kernel have a length of 0 and content, and any file may grow.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max) {
        Ok(bytes)
    } else {
        Err(too_large())
    }
}

/// Reads text, as [`read`] does.
///
/// # Errors
/// As [`read`]; [`ErrorKind::InvalidData`] for bytes that are not UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    String::from_utf8(read(path, bytes_max)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Reads files on a few threads of its own. A read that hangs, as on a file server that is gone, keeps one of them and
/// nothing else of the process.
#[derive(Debug, Clone)]
pub struct FileReaders {
    free: Arc<Semaphore>,
    within: Duration,
}

impl FileReaders {
    /// Returns that many readers, with a time limit for each read.
    #[must_use]
    pub fn new(readers: usize, within: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(readers)), within }
    }

    /// Reads a file as [`read`] does.
    ///
    /// # Errors
    /// As [`read`]; [`ErrorKind::TimedOut`] if the read is not done or no reader is free in time.
    pub async fn read(&self, path: PathBuf, bytes_max: u64) -> io::Result<Vec<u8>> {
        let late = || io::Error::new(ErrorKind::TimedOut, "it cannot be read in time");
        let reading = async {
            let permit = Arc::clone(&self.free).acquire_owned().await.map_err(io::Error::other)?;
            let (done, outcome) = oneshot::channel();
            std::thread::Builder::new().name("file-reader".to_owned()).spawn(move || {
                // The receiver may have stopped waiting.
                let _ = done.send(read(&path, bytes_max));
                drop(permit);
            })?;
            outcome.await.map_err(io::Error::other)?
        };
        timeout(self.within, reading).await.unwrap_or_else(|_| Err(late()))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn pipe(directory: &Path) -> PathBuf {
        let path = directory.join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    #[test]
    fn only_a_regular_file_of_a_limited_size_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        assert_eq!(read_text(&file, 5).unwrap(), "12345");
        for (path, bytes_max, kind) in [
            (file.clone(), 4, ErrorKind::FileTooLarge),
            (directory.path().to_owned(), 4, ErrorKind::InvalidInput),
            (pipe(directory.path()), 4, ErrorKind::InvalidInput),
            ("/dev/zero".into(), 4, ErrorKind::InvalidInput),
            ("/proc/self/maps".into(), 4, ErrorKind::FileTooLarge),
            (directory.path().join("none"), 4, ErrorKind::NotFound),
        ] {
            assert_eq!(read(&path, bytes_max).unwrap_err().kind(), kind, "{}", path.display());
        }
        std::fs::write(&file, [0xff]).unwrap();
        assert_eq!(read_text(&file, 5).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn readers_read_and_a_lack_of_them_is_an_error_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        let readers = FileReaders::new(1, Duration::from_millis(50));
        assert_eq!(readers.read(file.clone(), 5).await.unwrap(), b"12345");
        // As if a read hung.
        let hung = Arc::clone(&readers.free).acquire_owned().await.unwrap();
        assert_eq!(readers.read(file.clone(), 5).await.unwrap_err().kind(), ErrorKind::TimedOut);
        drop(hung);
        assert_eq!(readers.read(file, 5).await.unwrap(), b"12345");
    }
}
